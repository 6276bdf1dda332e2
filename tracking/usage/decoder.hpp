// Undoes a Content-Encoding on the tap's copy of a body: streaming, through buffers of fixed size, with a bound on what
// one body may become. Corrupt or lying data ends it; what was decoded until then stays valid. A new coding is one more
// subclass of `coding` and one line in decoder.cpp.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string_view>

#include "tracking/usage/codings.hpp"

namespace tracking::usage {

class decoded_sink {
public:
    virtual ~decoded_sink() = default;
    virtual void on_decoded(std::string_view piece) noexcept = 0;
};

// The most that one body may decode to: an answer to small bodies that unpack to huge ones. Unless asked for there is
// no ratio: filler in br or zstd packs tens of thousands to one, and the bytes bound the work.
struct decode_limits {
    std::uint64_t bytes = 64U << 20U;
    std::uint64_t ratio = 0;                // decoded to encoded; 0 = any
    std::uint64_t ratio_after = 1U << 20U;  // the ratio is looked at from here on
};

class decoder {
public:
    // Codings that one body may have, one inside the other.
    static constexpr std::size_t most_codings = 2;

    explicit decoder(decode_limits limits = {}) noexcept : limits_(limits) {}

    // The value of Content-Encoding. False when a coding is not known or there are too many: then nothing of the body
    // can be read.
    bool begin(std::string_view content_encoding) noexcept;
    // False when nothing more will come: corrupt data, or a limit.
    bool feed(std::string_view piece, decoded_sink& to) noexcept;
    // The body is over, completely or not: gives back the memory that only a body in progress needs.
    void rest() noexcept;

private:
    static constexpr std::size_t kinds = 4;

    // One of the codings of a body; stage 0 is the one that was applied first, and is undone last.
    struct stage {
        std::array<std::unique_ptr<coding>, kinds> known;  // each made when the first body needs it
        coding* active = nullptr;
        std::uint64_t written = 0;
        bool finished = false;  // its coded data ended; what follows is ignored
    };

    bool add_stage(std::string_view name) noexcept;
    bool run(std::size_t stage, std::string_view piece, decoded_sink& to) noexcept;
    bool within_limits(std::uint64_t written) const noexcept;

    decode_limits limits_;
    bool over_ = false;  // nothing more will come
    std::uint64_t read_ = 0;
    std::size_t stage_count_ = 0;
    std::array<stage, most_codings> stages_;
};

}  // namespace tracking::usage
