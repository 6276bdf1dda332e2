// Names, ids and money of a record: the small pure functions that the journal, the store, the log and the views share.
// The binary form is in record_codec.cpp, the textual forms are in record_text.cpp.
#include "tracking/record.hpp"

#include <sys/random.h>

#include <bit>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <initializer_list>

namespace tracking {
namespace {

constexpr std::uint64_t nano_per_usd = 1'000'000'000;

// xoshiro256**: ids need uniqueness, not secrecy, and must not cost a system call each.
class random_bits {
public:
    random_bits() {
        std::size_t have = 0;
        auto* bytes = reinterpret_cast<char*>(state_.data());
        while (have < sizeof(state_)) {
            const ssize_t got = ::getrandom(bytes + have, sizeof(state_) - have, 0);
            if (got < 0 && errno != EINTR) break;
            if (got > 0) have += static_cast<std::size_t>(got);
        }
        // Without getrandom (a sandbox that forbids it) the clock and an address must do; all zero would never leave
        // zero.
        if (have < sizeof(state_)) {
            state_[0] ^= static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
            state_[1] ^= reinterpret_cast<std::uintptr_t>(this) | 1;
        }
    }
    std::uint64_t next() {
        const std::uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
        const std::uint64_t t = state_[1] << 17;
        state_[2] ^= state_[0];
        state_[3] ^= state_[1];
        state_[1] ^= state_[2];
        state_[0] ^= state_[3];
        state_[2] ^= t;
        state_[3] = std::rotl(state_[3], 45);
        return result;
    }

private:
    std::array<std::uint64_t, 4> state_{};
};

// The last id of this thread: 48 + 12 bits of time, in ms and 4096ths of one (RFC 9562, 6.2, method 3), and 62 random
// bits that count up within such a moment.
struct uuid_source {
    random_bits random;
    std::uint64_t moment = 0;
    std::uint64_t low = 0;  // rand_b

    void step(std::uint64_t now_us) {
        constexpr std::uint64_t low_mask = (1ULL << 62) - 1;
        if (const std::uint64_t now = now_us / 1000 << 12 | now_us % 1000 * 4096 / 1000; now > moment) {
            moment = now;
            low = random.next() & low_mask;
            return;
        }
        low += 1 + (random.next() >> 32);  // a random step, so that ids stay hard to guess from their neighbours
        if (low <= low_mask) return;
        low &= low_mask;
        ++moment;  // the random part is used up: borrow from the next moment
    }
};

constexpr char hex_digits[] = "0123456789abcdef";

}  // namespace

void record::clear() {
    for (auto text : {&record::request_id,    &record::user_id,       &record::clerk_user_id, &record::plan,
                      &record::user_claim,    &record::provider,      &record::ai_model,      &record::requested_model,
                      &record::content_type,  &record::feature,       &record::price_id,      &record::cache_rule,
                      &record::finish_reason, &record::error_message, &record::variant,       &record::service_tier,
                      &record::flags,         &record::raw_feature,   &record::raw_model,     &record::raw_provider,
                      &record::raw_user_id})
        (this->*text).clear();
    for (auto number :
         {&record::input_tokens, &record::cached_tokens, &record::cache_write_tokens, &record::cache_write_1h_tokens,
          &record::audio_input_tokens, &record::image_input_tokens, &record::output_tokens, &record::reasoning_tokens,
          &record::audio_output_tokens, &record::image_output_tokens, &record::tokens_used, &record::cost_nano,
          &record::saved_nano, &record::saved_tokens, &record::duration_us, &record::upstream_us, &record::ttft_us,
          &record::first_token_us})
        (this->*number).reset();
    units = {};
    for (auto flag : {&record::cached, &record::success, &record::stream, &record::estimated}) this->*flag = false;
    id = {};
    ts_ms = 0;
    user_from = user_source::anonymous;
    usage_from = usage_source::none;
    cost_from = cost_source::none;
    status = 0;
    attempts = 0;
    result = outcome::ok;
}

void add_flag(record& to, record_flag which) {
    constexpr std::array<std::string_view, 3> words{"cacheConflict", "usageConflict", "costCapped"};
    if (!to.flags.empty()) to.flags += ',';
    to.flags += words[static_cast<std::size_t>(which)];
}

std::string_view to_string(outcome value) {
    switch (value) {
        case outcome::ok:
            return "ok";
        case outcome::error:
            return "error";
        case outcome::blocked:
            return "blocked";
        case outcome::client_abort:
            return "client_abort";
        case outcome::upstream_abort:
            return "upstream_abort";
        case outcome::interrupted:
            return "interrupted";
    }
    return "error";
}

std::string_view to_string(usage_source value) {
    switch (value) {
        case usage_source::none:
            return "none";
        case usage_source::body:
            return "body";
        case usage_source::headers:
            return "headers";
        case usage_source::estimated:
            return "estimated";
    }
    return "none";
}

std::string_view to_string(cost_source value) {
    switch (value) {
        case cost_source::none:
            return "none";
        case cost_source::cache:
            return "cache";
        case cost_source::reported:
            return "reported";
        case cost_source::catalogue:
            return "catalogue";
        case cost_source::estimated:
            return "estimated";
        case cost_source::unknown:
            return "unknown";
    }
    return "unknown";
}

std::string_view to_string(user_source value) {
    switch (value) {
        case user_source::anonymous:
            return "anonymous";
        case user_source::app:
            return "app";
        case user_source::jwt:
            return "jwt";
        case user_source::header:
            return "header";
        case user_source::key:
            return "key";
    }
    return "anonymous";
}

void put_text(const uuid& id, char* to) {
    for (std::size_t i = 0; i < id.size(); ++i) {
        if (i == 4 || i == 6 || i == 8 || i == 10) *to++ = '-';
        *to++ = hex_digits[id[i] >> 4];
        *to++ = hex_digits[id[i] & 15];
    }
}

std::string to_text(const uuid& id) {
    std::string text(uuid_text_bytes, '\0');
    put_text(id, text.data());
    return text;
}

uuid make_uuid7(std::int64_t now_us) {
    thread_local uuid_source source;
    source.step(now_us < 0 ? 0 : static_cast<std::uint64_t>(now_us));
    const std::uint64_t first = (source.moment >> 12 << 16) | 0x7000 | (source.moment & 0xFFF);  // version 7
    const std::uint64_t second = (2ULL << 62) | source.low;                                      // variant 10
    uuid id;
    for (std::size_t i = 0; i < 8; ++i) {
        id[i] = static_cast<std::uint8_t>(first >> (56 - 8 * i));
        id[8 + i] = static_cast<std::uint8_t>(second >> (56 - 8 * i));
    }
    return id;
}

std::uint64_t moment_of(const uuid& id) {
    std::uint64_t first = 0;
    for (std::size_t i = 0; i < 8; ++i) first = first << 8 | id[i];
    return first;
}

std::string usd_text(std::int64_t nano) {
    const bool negative = nano < 0;
    const std::uint64_t size = negative ? 0 - static_cast<std::uint64_t>(nano) : static_cast<std::uint64_t>(nano);
    std::array<char, 32> text;
    char* at = text.data();
    if (negative) *at++ = '-';
    at = std::to_chars(at, text.data() + text.size(), size / nano_per_usd).ptr;
    std::uint64_t rest = size % nano_per_usd;
    if (rest != 0) {
        *at++ = '.';
        for (std::uint64_t place = nano_per_usd / 10; rest != 0; place /= 10) {
            *at++ = static_cast<char>('0' + rest / place);
            rest %= place;
        }
    }
    return {text.data(), at};
}

}  // namespace tracking
