#include "admin-api/gzip.hpp"

#include <zlib.h>

#include <algorithm>
#include <new>

namespace admin {

namespace {

constexpr int window_bits = 15 + 16;  // 16: in the form of gzip
constexpr int memory_level = 8;       // zlib's default

}  // namespace

struct gzip::state {
    z_stream stream{};
};

gzip::gzip() : state_(std::make_unique<state>()) {
    // The fastest level: it already makes records six times smaller, and control has other things to do.
    if (::deflateInit2(&state_->stream, Z_BEST_SPEED, Z_DEFLATED, window_bits, memory_level, Z_DEFAULT_STRATEGY) !=
        Z_OK)
        throw std::bad_alloc();
}

gzip::~gzip() { ::deflateEnd(&state_->stream); }

std::string gzip::pack(std::string_view bytes, bool last) {
    std::string out;
    if (bytes.empty() && !last) return out;
    z_stream& z = state_->stream;
    z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
    z.avail_in = static_cast<uInt>(bytes.size());
    const int flush = last ? Z_FINISH : Z_SYNC_FLUSH;
    do {
        const std::size_t had = out.size();
        out.resize(had + bytes.size() / 4 + 256);
        z.next_out = reinterpret_cast<Bytef*>(out.data() + had);
        z.avail_out = static_cast<uInt>(out.size() - had);
        ::deflate(&z, flush);
        out.resize(out.size() - z.avail_out);
    } while (z.avail_out == 0);
    return out;
}

}  // namespace admin
