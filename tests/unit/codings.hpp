// Compresses, for tests: whole, or flushed behind each part as a server does that streams.
#pragma once

#include <brotli/encode.h>
#include <zlib.h>
#include <zstd.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace usage_test {

// window: 15 zlib, 31 gzip, -15 raw deflate
inline std::string deflated(std::string_view from, int window) {
    z_stream stream{};
    deflateInit2(&stream, 9, Z_DEFLATED, window, 8, Z_DEFAULT_STRATEGY);
    std::string to(deflateBound(&stream, from.size()) + 64, '\0');
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(from.data()));
    stream.avail_in = static_cast<uInt>(from.size());
    stream.next_out = reinterpret_cast<Bytef*>(to.data());
    stream.avail_out = static_cast<uInt>(to.size());
    deflate(&stream, Z_FINISH);
    to.resize(stream.total_out);
    deflateEnd(&stream);
    return to;
}

// Each part as it leaves a compressor that is flushed behind it; the last one ends the body. Whole is one part.
inline std::vector<std::string> brotli_parts(const std::vector<std::string_view>& parts, int window = 18,
                                             bool large_window = false) {
    const std::unique_ptr<BrotliEncoderState, void (*)(BrotliEncoderState*)> state(
        BrotliEncoderCreateInstance(nullptr, nullptr, nullptr), BrotliEncoderDestroyInstance);
    BrotliEncoderSetParameter(state.get(), BROTLI_PARAM_QUALITY, 5);
    BrotliEncoderSetParameter(state.get(), BROTLI_PARAM_LARGE_WINDOW, large_window ? 1 : 0);
    BrotliEncoderSetParameter(state.get(), BROTLI_PARAM_LGWIN, static_cast<std::uint32_t>(window));
    std::vector<std::string> made;
    for (std::size_t i = 0; i < parts.size(); ++i) {
        const auto* in = reinterpret_cast<const std::uint8_t*>(parts[i].data());
        std::size_t in_size = parts[i].size();
        std::string& out = made.emplace_back();
        const auto step = i + 1 == parts.size() ? BROTLI_OPERATION_FINISH : BROTLI_OPERATION_FLUSH;
        do {
            std::size_t none = 0;
            std::uint8_t* nowhere = nullptr;
            BrotliEncoderCompressStream(state.get(), step, &in_size, &in, &none, &nowhere, nullptr);
            std::size_t size = 0;
            const std::uint8_t* bytes = BrotliEncoderTakeOutput(state.get(), &size);
            out.append(reinterpret_cast<const char*>(bytes), size);
        } while (in_size != 0 || BrotliEncoderHasMoreOutput(state.get()) != 0);
    }
    return made;
}

inline std::vector<std::string> zstd_parts(const std::vector<std::string_view>& parts, int window = 18,
                                           bool with_checksum = true) {
    const std::unique_ptr<ZSTD_CCtx, std::size_t (*)(ZSTD_CCtx*)> context(ZSTD_createCCtx(), ZSTD_freeCCtx);
    ZSTD_CCtx_setParameter(context.get(), ZSTD_c_windowLog, window);
    ZSTD_CCtx_setParameter(context.get(), ZSTD_c_checksumFlag, with_checksum ? 1 : 0);
    std::vector<std::string> made;
    for (std::size_t i = 0; i < parts.size(); ++i) {
        std::string& out = made.emplace_back(ZSTD_compressBound(parts[i].size()) + 64, '\0');
        ZSTD_inBuffer from{parts[i].data(), parts[i].size(), 0};
        ZSTD_outBuffer to{out.data(), out.size(), 0};
        while (ZSTD_compressStream2(context.get(), &to, &from,
                                    i + 1 == parts.size() && parts.size() > 0 ? ZSTD_e_end : ZSTD_e_flush) != 0) {
        }
        out.resize(to.pos);
    }
    return made;
}

inline std::string brotlied(std::string_view from) { return brotli_parts({from})[0]; }
inline std::string zstandard(std::string_view from) { return zstd_parts({from})[0]; }

struct coded_body {
    std::string coding;  // the value of Content-Encoding
    std::string bytes;
};

// The same body under every name and in every nesting that is read.
inline std::vector<coded_body> in_every_coding(std::string_view body) {
    const std::string gzip = deflated(body, 31);
    const std::string brotli = brotlied(body);
    return {{"gzip", gzip},
            {"GZIP", gzip},
            {"x-gzip", gzip},
            {"deflate", deflated(body, 15)},
            {"deflate", deflated(body, -15)},
            {"identity, gzip", gzip},
            {"br", brotli},
            {"Br, identity", brotli},
            {"zstd", zstandard(body)},
            {"ZSTD", zstandard(body)},
            {"gzip, br", brotlied(gzip)},
            {"br,gzip", deflated(brotli, 31)},
            {"gzip, gzip", deflated(gzip, 31)},
            {"br, zstd", zstandard(brotli)}};
}

}  // namespace usage_test
