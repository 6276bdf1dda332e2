#include "tests/support/sample_records.hpp"

#include <algorithm>
#include <stdexcept>

namespace tests {

using tracking::record;

namespace {

template <class T>
const T& pick(std::mt19937_64& random, const std::vector<T>& from) {
    return from[random() % from.size()];
}

std::int64_t between(std::mt19937_64& random, std::int64_t low, std::int64_t high) {
    return low + static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(high - low));
}

}  // namespace

record plain_record(std::int64_t ts_ms) {
    record one;
    one.id = tracking::make_uuid7(ts_ms * 1000);
    one.request_id = "req-1";
    one.ts_ms = ts_ms;
    one.user_id = "user_1";
    one.clerk_user_id = "user_1";
    one.plan = "pro";
    one.user_from = tracking::user_source::jwt;
    one.provider = "gemini";
    one.ai_model = "gemini-2.0-flash-exp";
    one.content_type = "experience-description";
    one.feature = "content-gen";
    one.input_tokens = 1200;
    one.output_tokens = 323;
    one.tokens_used = 1523;
    one.usage_from = tracking::usage_source::body;
    one.cost_nano = 453'000;
    one.cost_from = tracking::cost_source::catalogue;
    one.price_id = "gemini/gemini-2.0-flash 2025-02";
    one.success = true;
    one.status = 200;
    one.finish_reason = "STOP";
    one.duration_us = 3'194'000;
    one.upstream_us = 3'193'000;
    one.ttft_us = 900'000;
    one.attempts = 1;
    return one;
}

record random_record(std::mt19937_64& random, std::int64_t from_ms, std::int64_t to_ms, int users) {
    record one = plain_record(between(random, from_ms, to_ms));
    one.request_id = "req-" + std::to_string(random());
    one.user_id = "user_" + std::to_string(random() % static_cast<std::uint64_t>(users));
    one.clerk_user_id = one.user_id;
    one.plan = pick<std::string>(random, {"", "free", "pro"});
    one.provider = pick<std::string>(random, {"gemini", "openai", "anthropic"});
    one.ai_model = pick<std::string>(random, {"gemini-2.0-flash-exp", "gpt-4o-mini", "claude:3 {x}"});
    one.feature = pick<std::string>(random, {"content-gen", "ats-optimizer", "job-matcher", "cover letter", ""});
    one.variant = pick<std::string>(random, {"", "", "prompt-v2=control", "prompt-v2=concise"});
    one.input_tokens = between(random, 0, 100'000);
    one.output_tokens = between(random, 0, 5'000);
    one.cached_tokens = between(random, 0, 1'000);
    one.tokens_used = *one.input_tokens + *one.output_tokens;
    one.cost_nano = between(random, 0, 3'000'000'000);
    one.duration_us = between(random, 1'000, 60'000'000);
    one.ttft_us = between(random, 500, 1'000'000);
    one.stream = random() % 2 == 0;
    switch (random() % 8) {
        case 0:
            one.success = false, one.status = 500, one.result = tracking::outcome::error;
            one.error_message = "quota exceeded for project " + std::to_string(random() % 400);
            break;
        case 1:
            one.success = false, one.status = 499, one.result = tracking::outcome::client_abort;
            break;
        case 2:
            one.success = false, one.status = 402, one.result = tracking::outcome::blocked;
            one.upstream_us.reset(), one.ttft_us.reset(), one.attempts = 0;
            one.cost_nano = 0, one.cost_from = tracking::cost_source::none;
            break;
        case 3:
            one.cached = true, one.cache_rule = "x-cache", one.saved_nano = one.cost_nano, one.saved_tokens = 12;
            one.cost_nano = 0, one.cost_from = tracking::cost_source::cache;
            one.input_tokens = one.output_tokens = one.tokens_used = 0;
            break;
        case 4:
            one.cost_nano.reset(), one.cost_from = tracking::cost_source::unknown, one.price_id.clear();
            break;
        case 5:
            one.result = tracking::outcome::interrupted, one.success = false, one.status = 0;
            one.duration_us.reset(), one.estimated = true;
            break;
        default:
            break;
    }
    return one;
}

class memory_journal::cursor final : public tracking::journal::reader {
public:
    cursor(id_type id, std::shared_ptr<one> of) : id_(id), of_(std::move(of)) {}
    const id_type& id() const override { return id_; }
    std::size_t each(std::size_t most, const visitor& take) override {
        std::size_t count = 0;
        for (; count < most && at_ < of_->entries.size(); ++count) take(of_->entries[at_++]);
        return count;
    }
    std::uint64_t pass(std::size_t most) override {
        const std::size_t end = std::min(at_ + most, of_->entries.size());
        if (end == at_) return 0;
        at_ = end;
        return of_->entries[end - 1].sequence;
    }
    void seek(std::uint64_t sequence) override {
        const auto behind = std::find_if(of_->entries.begin(), of_->entries.end(),
                                         [&](const auto& entry) { return entry.sequence > sequence; });
        at_ = static_cast<std::size_t>(behind - of_->entries.begin());
    }
    std::unique_ptr<tracking::journal::reader> copy() const override { return std::make_unique<cursor>(*this); }

private:
    id_type id_;
    std::shared_ptr<one> of_;
    std::size_t at_ = 0;
};

memory_journal::id_type memory_journal::add_journal(bool own) {
    id_type id;
    for (auto& byte : id) byte = static_cast<std::uint8_t>(random_());
    journals_[id] = std::make_shared<one>();
    journals_[id]->own = own;
    return id;
}

std::uint64_t memory_journal::append(const id_type& to, const record& what) {
    auto& journal = *journals_.at(to);
    journal.entries.push_back({++journal.last, what});
    return journal.last;
}

std::uint64_t memory_journal::skip(const id_type& in, std::uint64_t sequences) {
    return journals_.at(in)->last += sequences;
}

std::uint64_t memory_journal::shipped_of(const id_type& id) const { return journals_.at(id)->shipped; }

tracking::journal::writer& memory_journal::writer_of(std::uint32_t) {
    throw std::logic_error("the store's tests append by themselves");
}

std::vector<memory_journal::id_type> memory_journal::journals() const {
    std::vector<id_type> ids;
    for (const bool own : {true, false}) {
        for (const auto& [id, journal] : journals_) {
            if (journal->own == own) ids.push_back(id);
        }
    }
    return ids;
}

bool memory_journal::is_own(const id_type& id) const { return journals_.at(id)->own; }

std::unique_ptr<tracking::journal::reader> memory_journal::read(const id_type& id) {
    return std::make_unique<cursor>(id, journals_.at(id));
}

void memory_journal::shipped(const id_type& id, std::uint64_t sequence) { journals_.at(id)->shipped = sequence; }

}  // namespace tests
