#include <brotli/decode.h>

#include <cstdlib>
#include <new>

#include "tracking/usage/codings.hpp"

namespace tracking::usage {

namespace {

// The largest window of RFC 7932 is 16 MiB, and all else that a decoder asks for is less. A head of a few bytes may ask
// for it, but its pages take memory only as the body fills them.
constexpr std::size_t largest_block = (std::size_t{1} << 24U) + 64U * 1024U;

void* allocate(void* /*opaque*/, std::size_t size) noexcept {
    return size <= largest_block ? std::malloc(size) : nullptr;
}
void release(void* /*opaque*/, void* block) noexcept { std::free(block); }

class brotli_coding final : public coding {
public:
    ~brotli_coding() override { drop(); }

    // A brotli decoder cannot be started again: there is one for each body.
    bool begin() noexcept override {
        drop();
        state_ = BrotliDecoderCreateInstance(allocate, release, nullptr);
        return state_ != nullptr;
    }

    progress decode(std::string_view from, std::span<char> to) noexcept override {
        std::size_t in = from.size();
        std::size_t out = to.size();
        const auto* next_in = reinterpret_cast<const std::uint8_t*>(from.data());
        auto* next_out = reinterpret_cast<std::uint8_t*>(to.data());
        const BrotliDecoderResult code = BrotliDecoderDecompressStream(state_, &in, &next_in, &out, &next_out, nullptr);
        progress done{from.size() - in, to.size() - out};
        if (code == BROTLI_DECODER_RESULT_SUCCESS) done.state = result::end;
        if (code == BROTLI_DECODER_RESULT_ERROR) done.state = result::corrupt;
        return done;
    }

    void rest() noexcept override { drop(); }

private:
    void drop() noexcept {
        if (state_ != nullptr) BrotliDecoderDestroyInstance(state_);
        state_ = nullptr;
    }

    BrotliDecoderState* state_ = nullptr;
};

}  // namespace

std::unique_ptr<coding> make_brotli_coding() noexcept {
    return std::unique_ptr<coding>(new (std::nothrow) brotli_coding);
}

}  // namespace tracking::usage
