#include "tracking/store/report_memory.hpp"

namespace tracking::store {

namespace {

constexpr std::size_t bytes_most = 32ULL << 20;
constexpr std::chrono::hours read_again_after{1};
constexpr std::size_t month_text = 11;  // "day:2026-11"

struct size_of {
    std::size_t operator()(const report_memory::buckets& of) const { return of.size() * sizeof(of[0]); }
    std::size_t operator()(const report_memory::leaders& of) const {
        std::size_t bytes = 0;
        for (const auto& [user, requests] : of.requests) bytes += sizeof(of.requests[0]) + user.capacity();
        return bytes;
    }
    std::size_t operator()(const report_memory::hour_sums& of) const { return of.size() * sizeof(of[0]); }
    std::size_t operator()(const report_memory::scores& of) const {
        std::size_t bytes = 0;
        for (const auto& [user, score] : of) bytes += 64 + user.capacity();
        return bytes;
    }
    std::size_t operator()(const hyperloglog&) const { return hyperloglog::size; }
};

}  // namespace

std::vector<stretch> stretches_of(const std::vector<std::string>& day_periods) {
    std::vector<stretch> all;
    for (std::size_t i = 0; i < day_periods.size(); ++i) {
        const bool begins = all.empty() || i + 1 == day_periods.size() ||
                            day_periods[i].compare(0, month_text, day_periods[i - 1], 0, month_text) != 0;
        if (begins) {
            auto& made = all.emplace_back();
            made.from = i;
        }
        all.back().to = i + 1;
    }
    for (auto& one : all) one.name = " " + day_periods[one.from] + " " + day_periods[one.to - 1];
    return all;
}

bool report_memory::fresh(const entry& one, const stretch& of) {
    return one.requests == of.requests && one.repairs == of.repairs &&
           std::chrono::steady_clock::now() - one.read < read_again_after;
}

void report_memory::keep(const std::string& what, const stretch& of, value is) {
    if (of.to - of.from < 2) return;  // a single day is as quickly read
    const std::string name = what + of.name;
    const std::size_t bytes = 200 + name.size() + std::visit(size_of{}, is);
    if (bytes > bytes_most) return;
    if (bytes_ + bytes > bytes_most) {  // ranges that nobody asks for any more are among them: begin anew
        kept_.clear();
        bytes_ = 0;
    }
    auto read = std::chrono::steady_clock::now();
    if (const auto before = kept_.find(name); before != kept_.end()) {
        if (fresh(before->second, of)) read = before->second.read;  // more of the same: as old as its oldest part
        bytes_ -= before->second.bytes;
    }
    bytes_ += bytes;
    kept_.insert_or_assign(name, entry{of.requests, of.repairs, read, std::move(is), bytes});
}

}  // namespace tracking::store
