#include <zstd.h>

#include <array>
#include <new>

#include "tracking/usage/codings.hpp"

namespace tracking::usage {

namespace {

// What RFC 9659 allows in HTTP, and what a decoder has to offer.
constexpr int window_bits = 23;

// Contexts that are at rest, for the next bodies of this thread: making one takes 7 us, twice what a small answer takes
// to decode. One that grew a window is not kept: 100 KB each is all that a thread holds.
class spare_contexts {
public:
    spare_contexts() = default;
    spare_contexts(const spare_contexts&) = delete;
    spare_contexts& operator=(const spare_contexts&) = delete;
    ~spare_contexts() {
        while (count_ != 0) ZSTD_freeDCtx(contexts_[--count_]);
    }

    // nullptr when there is no memory.
    ZSTD_DCtx* take() noexcept {
        ZSTD_DCtx* context = count_ != 0 ? contexts_[--count_] : ZSTD_createDCtx();
        const bool ready = context != nullptr && ZSTD_isError(ZSTD_DCtx_reset(context, ZSTD_reset_session_only)) == 0 &&
                           ZSTD_isError(ZSTD_DCtx_setParameter(context, ZSTD_d_windowLogMax, window_bits)) == 0;
        if (ready) return context;
        ZSTD_freeDCtx(context);
        return nullptr;
    }

    void give(ZSTD_DCtx* context) noexcept {
        if (count_ == contexts_.size() || ZSTD_sizeof_DCtx(context) > largest) {
            ZSTD_freeDCtx(context);
        } else {
            contexts_[count_++] = context;
        }
    }

private:
    static constexpr std::size_t largest = 128U << 10U;
    std::array<ZSTD_DCtx*, 4> contexts_{};
    std::size_t count_ = 0;
};

spare_contexts& spares() noexcept {
    static thread_local spare_contexts all;
    return all;
}

class zstd_coding final : public coding {
public:
    ~zstd_coding() override { ZSTD_freeDCtx(context_); }

    bool begin() noexcept override {
        rest();
        magic_size_ = 0;
        context_ = spares().take();
        return context_ != nullptr;
    }

    progress decode(std::string_view from, std::span<char> to) noexcept override {
        if (from.empty() && magic_size_ < magic_.size()) return {};
        if (magic_size_ < magic_.size()) return read_magic(from[0], to);
        return decode_some(from, to);
    }

    void rest() noexcept override {
        if (context_ != nullptr) spares().give(context_);
        context_ = nullptr;
    }

private:
    // The library also knows formats older than RFC 8878, whose windows it does not bound: each frame's magic number is
    // looked at before the library sees it.
    progress read_magic(char next, std::span<char> to) noexcept {
        magic_[magic_size_++] = next;
        if (magic_size_ < magic_.size()) return {1, 0, result::more};
        const std::string_view magic(magic_.data(), magic_.size());
        const bool skippable = magic.substr(1) == "\x2A\x4D\x18" && (static_cast<unsigned char>(magic[0]) >> 4U) == 5;
        if (magic != "\x28\xB5\x2F\xFD" && !skippable) return {1, 0, result::corrupt};
        progress done = decode_some(magic, to);
        done.read = 1;
        return done;
    }

    progress decode_some(std::string_view from, std::span<char> to) noexcept {
        ZSTD_inBuffer in{from.data(), from.size(), 0};
        ZSTD_outBuffer out{to.data(), to.size(), 0};
        const std::size_t code = ZSTD_decompressStream(context_, &out, &in);
        if (ZSTD_isError(code) != 0) return {in.pos, out.pos, result::corrupt};
        if (code == 0) magic_size_ = 0;  // the frame is over and all of it was given out: another may follow
        return {in.pos, out.pos, result::more};
    }

    ZSTD_DCtx* context_ = nullptr;
    std::size_t magic_size_ = 0;
    std::array<char, 4> magic_{};
};

}  // namespace

std::unique_ptr<coding> make_zstd_coding() noexcept { return std::unique_ptr<coding>(new (std::nothrow) zstd_coding); }

}  // namespace tracking::usage
