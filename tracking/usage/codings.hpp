// The decompressors behind decoder, one per content coding; only decoder calls them. What one holds between bodies is
// said at each, since every scanner of a worker's pool keeps its own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

namespace tracking::usage {

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
    // Starts a new body, whatever became of the one before; false when there is no memory.
    virtual bool begin() noexcept = 0;
    // Only between a begin() that succeeded and rest().
    virtual progress decode(std::string_view from, std::span<char> to) noexcept = 0;
    // No more of this body will come: what is large goes back.
    virtual void rest() noexcept = 0;
};

// All return nullptr when there is no memory.

// gzip (RFC 1952), several members in a row included. At rest: 40 KB, the window of DEFLATE and zlib's tables.
std::unique_ptr<coding> make_gzip_coding() noexcept;
// deflate: the zlib format (RFC 1950), and the raw one (RFC 1951) that some servers send under that name. At rest: 40
// KB.
std::unique_ptr<coding> make_deflate_coding() noexcept;
// br (RFC 7932), windows of up to 16 MiB; not the "large window" format. At rest: nothing.
std::unique_ptr<coding> make_brotli_coding() noexcept;
// zstd (RFC 8878), windows of up to 8 MiB, several frames in a row and skippable ones included; dictionaries are not
// known. At rest: nothing, but for up to 4 contexts of 100 KB that all of a thread's share.
std::unique_ptr<coding> make_zstd_coding() noexcept;

}  // namespace tracking::usage
