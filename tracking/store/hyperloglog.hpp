// A HyperLogLog as Redis keeps it in the string behind PFADD (hyperloglog.c of Redis 7: 16,384 registers of 6 bits,
// dense or sparse, MurmurHash64A), read, merged and counted here: PFCOUNT over many keys holds up every other client
// for milliseconds, GET does not. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tracking::store {

class hyperloglog {
public:
    static constexpr std::size_t size = 16'384;  // registers

    hyperloglog() : registers_(size) {}

    void add(std::string_view element);
    void merge(const hyperloglog& other);
    // Merges the value of a key. False = it holds none, and nothing was changed. "" (no key) merges nothing.
    bool merge(std::string_view value);
    std::int64_t count() const;     // the estimate that PFCOUNT gives
    std::string to_string() const;  // a value for SET, dense
    // Whether every element of `other` may have been added here, too.
    bool covers(const hyperloglog& other) const;
    bool operator==(const hyperloglog&) const = default;

private:
    void note(std::size_t index, std::uint8_t value) {
        if (registers_[index] < value) registers_[index] = value;
    }
    bool merge_dense(std::string_view packed);
    bool merge_sparse(std::string_view runs);

    std::vector<std::uint8_t> registers_;
};

}  // namespace tracking::store
