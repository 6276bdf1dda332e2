#include "tracking/store/hyperloglog.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

namespace tracking::store {

namespace {

constexpr int index_bits = 14;
constexpr int value_bits = 6;
constexpr int largest = 64 - index_bits;  // Q: a register holds 0 to Q + 1
constexpr std::size_t header_bytes = 16;  // "HYLL", encoding, 3 unused, cached count
constexpr std::size_t dense_bytes = hyperloglog::size * value_bits / 8;
constexpr char dense = 0, sparse = 1;

std::uint64_t word_at(const char* from) {
    std::uint64_t word = 0;
    std::memcpy(&word, from, sizeof word);
    return word;  // little-endian, as are the machines that this is built for
}

// MurmurHash64A with the seed of Redis.
std::uint64_t murmur(std::string_view text) {
    constexpr std::uint64_t m = 0xc6a4a7935bd1e995ULL, seed = 0xadc83b19ULL;
    std::uint64_t hash = seed ^ (text.size() * m);
    const char* at = text.data();
    for (const char* const end = at + text.size() / 8 * 8; at != end; at += 8) {
        std::uint64_t k = word_at(at) * m;
        k ^= k >> 47;
        hash = (hash ^ (k * m)) * m;
    }
    const std::size_t rest = text.size() % 8;
    if (rest > 0) {
        for (std::size_t i = 0; i < rest; ++i) {
            hash ^= static_cast<std::uint64_t>(static_cast<unsigned char>(at[i])) << (8 * i);
        }
        hash *= m;
    }
    hash ^= hash >> 47;
    hash *= m;
    return hash ^ (hash >> 47);
}

// Ertl, "New cardinality estimation algorithms for HyperLogLog sketches" (2017), as Redis has it.
double tau(double x) {
    if (x == 0.0 || x == 1.0) return 0.0;
    double y = 1.0, z = 1 - x, before = 0;
    do {
        x = std::sqrt(x);
        before = z;
        y *= 0.5;
        z -= std::pow(1 - x, 2) * y;
    } while (before != z);
    return z / 3;
}

double sigma(double x) {
    if (x == 1.0) return INFINITY;
    double y = 1, z = x, before = 0;
    do {
        x *= x;
        before = z;
        z += x * y;
        y += y;
    } while (before != z);
    return z;
}

}  // namespace

void hyperloglog::add(std::string_view element) {
    const std::uint64_t hash = murmur(element);
    const std::uint64_t rest = (hash >> index_bits) | (std::uint64_t{1} << largest);
    note(hash & (size - 1), static_cast<std::uint8_t>(std::countr_zero(rest) + 1));
}

void hyperloglog::merge(const hyperloglog& other) {
    for (std::size_t i = 0; i < size; ++i) note(i, other.registers_[i]);
}

bool hyperloglog::merge(std::string_view value) {
    if (value.empty()) return true;
    if (value.size() < header_bytes || !value.starts_with("HYLL")) return false;
    const char encoding = value[4];
    value.remove_prefix(header_bytes);
    if (encoding == dense) return merge_dense(value);
    return encoding == sparse && merge_sparse(value);
}

// Four registers lie in three bytes, the lowest bits first.
bool hyperloglog::merge_dense(std::string_view packed) {
    if (packed.size() < dense_bytes) return false;
    const auto* from = reinterpret_cast<const unsigned char*>(packed.data());
    for (std::size_t i = 0; i < size; i += 4, from += 3) {
        const std::uint32_t four = static_cast<std::uint32_t>(from[0]) | static_cast<std::uint32_t>(from[1]) << 8 |
                                   static_cast<std::uint32_t>(from[2]) << 16;
        for (std::size_t j = 0; j < 4; ++j) note(i + j, static_cast<std::uint8_t>(four >> (value_bits * j) & 63));
    }
    return true;
}

// Runs: 00llllll = zeros; 01llllll llllllll = more zeros; 1vvvvvll = values. Lengths and values are kept less one.
bool hyperloglog::merge_sparse(std::string_view runs) {
    hyperloglog read;
    std::size_t index = 0;
    for (std::size_t at = 0; at < runs.size(); ++at) {
        const auto code = static_cast<unsigned char>(runs[at]);
        std::size_t length = 0;
        std::uint8_t value = 0;
        if ((code & 0x80U) != 0) {
            length = (code & 3U) + 1;
            value = static_cast<std::uint8_t>(((code >> 2) & 31U) + 1);
        } else if ((code & 0x40U) != 0) {
            if (++at == runs.size()) return false;
            length = ((code & 63U) << 8 | static_cast<unsigned char>(runs[at])) + 1U;
        } else {
            length = (code & 63U) + 1;
        }
        if (index + length > size) return false;
        if (value > 0) std::fill_n(read.registers_.begin() + static_cast<std::ptrdiff_t>(index), length, value);
        index += length;
    }
    if (index != size) return false;
    merge(read);
    return true;
}

std::int64_t hyperloglog::count() const {
    constexpr double alpha_infinity = 0.721347520444481703680;  // 1 / (2 ln 2)
    constexpr auto m = static_cast<double>(size);
    std::int64_t histogram[64]{};
    for (const auto value : registers_) ++histogram[value & 63];
    double z = m * tau((m - static_cast<double>(histogram[largest + 1])) / m);
    for (int value = largest; value >= 1; --value) z = (z + static_cast<double>(histogram[value])) * 0.5;
    z += m * sigma(static_cast<double>(histogram[0]) / m);
    return std::llround(alpha_infinity * m * m / z);
}

std::string hyperloglog::to_string() const {
    std::string value("HYLL\0\0\0\0\0\0\0\0\0\0\0\x80", header_bytes);  // the last bit: no count is cached
    value.reserve(header_bytes + dense_bytes);
    for (std::size_t i = 0; i < size; i += 4) {
        std::uint32_t four = 0;
        for (std::size_t j = 0; j < 4; ++j) four |= static_cast<std::uint32_t>(registers_[i + j]) << (value_bits * j);
        for (int byte = 0; byte < 3; ++byte) value += static_cast<char>(four >> (8 * byte));
    }
    return value;
}

bool hyperloglog::covers(const hyperloglog& other) const {
    return std::equal(registers_.begin(), registers_.end(), other.registers_.begin(),
                      [](std::uint8_t mine, std::uint8_t its) { return mine >= its; });
}

}  // namespace tracking::store
