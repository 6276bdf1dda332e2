// A reader over one journal: from segment to segment, frame to frame, and at the end of a dead process's journal its
// interrupted requests. Control thread.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "tracking/journal/chain.hpp"

namespace tracking::journal {

class cursor final : public reader {
public:
    explicit cursor(std::shared_ptr<chain> over) : chain_(std::move(over)) {}

    const journal_id& id() const override { return chain_->id(); }
    std::size_t each(std::size_t most, const visitor& take) override { return go_on(most, &take); }
    std::uint64_t pass(std::size_t most) override { return go_on(most, nullptr) > 0 ? behind_ : 0; }
    void seek(std::uint64_t sequence) override;
    bool at_end() const override { return !view_.for_now; }
    std::unique_ptr<reader> copy() const override { return std::make_unique<cursor>(*this); }

private:
    // `take` null = the records are passed only.
    std::size_t go_on(std::size_t most, const visitor* take);
    bool look_again();
    bool enter_next();
    std::size_t read_segment(std::size_t most, const visitor* take);
    std::size_t read_interrupted(std::size_t most, const visitor* take);
    bool decode_next(std::uint64_t sequence, std::span<const char> payload);

    const std::shared_ptr<chain> chain_;
    std::shared_ptr<segment> at_;
    segment_view view_;
    std::uint32_t offset_ = 0;
    std::uint64_t behind_ = 0;     // end frames up to this one are passed over
    std::size_t interrupted_ = 0;  // how many were read
    entry next_;                   // decoded into again and again: its strings keep their room
};

}  // namespace tracking::journal
