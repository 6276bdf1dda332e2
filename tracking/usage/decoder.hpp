// Undoes a Content-Encoding on the tap's copy of a body: streaming, into a buffer of fixed size, with a bound on what
// one body may become. Corrupt or lying data ends it; what was decoded until then stays valid. A new coding is one more
// subclass of `coding` and one line in coding_named().
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

namespace tracking::usage {

class decoded_sink {
public:
    virtual ~decoded_sink() = default;
    virtual void on_decoded(std::string_view piece) noexcept = 0;
};

// The most that one body may decode to: an answer to small bodies that unpack to huge ones.
struct decode_limits {
    std::uint64_t bytes = 64U << 20U;
    std::uint64_t ratio = 2000;             // decoded to encoded; DEFLATE cannot exceed 1032
    std::uint64_t ratio_after = 1U << 20U;  // the ratio is looked at from here on
};

// One decompressor; kept and reused from body to body.
class coding {
public:
    enum class result : std::uint8_t { more, end, corrupt };
    struct progress {
        std::size_t read = 0;
        std::size_t written = 0;
        result state = result::more;
    };

    coding() = default;
    coding(const coding&) = delete;
    coding& operator=(const coding&) = delete;
    virtual ~coding() = default;
    virtual bool begin() noexcept = 0;
    virtual progress decode(std::string_view from, std::span<char> to) noexcept = 0;
};

class decoder {
public:
    explicit decoder(decode_limits limits = {}) noexcept : limits_(limits) {}

    // The value of Content-Encoding. False when the coding is not known: then nothing of the body can be read.
    bool begin(std::string_view content_encoding) noexcept;
    // False when nothing more will come: corrupt data, or a limit.
    bool feed(std::string_view piece, decoded_sink& to) noexcept;

private:
    enum class kind : std::uint8_t { identity, gzip, deflate, unknown };
    static kind kind_named(std::string_view content_encoding) noexcept;
    bool run(std::string_view piece, decoded_sink& to) noexcept;
    bool within_limits() const noexcept;

    decode_limits limits_;
    kind kind_ = kind::identity;
    bool over_ = false;      // nothing more will come
    bool finished_ = false;  // the coded data ended; what follows is ignored
    std::uint64_t read_ = 0;
    std::uint64_t written_ = 0;
    std::unique_ptr<coding> gzip_;  // made when the first body needs it
    std::unique_ptr<coding> deflate_;
};

}  // namespace tracking::usage
