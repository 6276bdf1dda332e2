// MessagePack, the few types that a batch needs: how one argument carries a whole batch to the script (Redis has the
// decoder built in; one packed argument costs it a third of the same values as separate arguments).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

namespace tracking::store {

class message_pack {
public:
    void text(std::string_view value) {
        char* at = room_for(value.size() + 5);
        if (value.size() < 32) {
            *at++ = static_cast<char>(0xA0U | value.size());
        } else if (value.size() < 256) {
            *at++ = static_cast<char>(0xD9);
            *at++ = static_cast<char>(value.size());
        } else {
            *at++ = static_cast<char>(0xDB);
            at = big_endian(at, value.size(), 4);
        }
        value.copy(at, value.size());
        end_at(at + value.size());
    }

    // A number that the script's doubles hold exactly; a larger one travels as text.
    void integer(std::int64_t value) {
        char* at = room_for(9);
        if (value >= 0 && value < 128) {
            *at++ = static_cast<char>(value);
        } else if (value >= 0 && value < 65536) {
            *at++ = static_cast<char>(0xCD);
            at = big_endian(at, static_cast<std::uint64_t>(value), 2);
        } else if (value > -exact_below && value < exact_below) {
            *at++ = static_cast<char>(0xD3);
            at = big_endian(at, static_cast<std::uint64_t>(value), 8);
        } else {
            return text(std::to_string(value));
        }
        end_at(at);
    }

    // Returns the place that close_array fills with the number of elements.
    std::size_t open_array() {
        const std::size_t place = size_;
        char* at = room_for(5);
        *at++ = static_cast<char>(0xDD);
        end_at(big_endian(at, 0, 4));
        return place;
    }
    void close_array(std::size_t place, std::size_t elements) { big_endian(out_.data() + place + 1, elements, 4); }

    std::string_view bytes() const { return {out_.data(), size_}; }
    // All of it, without a copy; empty afterwards.
    std::string take() {
        out_.resize(size_);
        size_ = 0;
        return std::move(out_);
    }
    void raw(std::string_view packed) {
        char* at = room_for(packed.size());
        packed.copy(at, packed.size());
        end_at(at + packed.size());
    }
    void reserve(std::size_t bytes) { room_for(bytes); }
    void clear() { size_ = 0; }

    static constexpr std::int64_t exact_below = 1'000'000'000'000'000;

private:
    char* room_for(std::size_t bytes) {
        if (out_.size() - size_ < bytes) out_.resize(std::max(size_ + bytes, 2 * size_));
        return out_.data() + size_;
    }
    void end_at(const char* at) { size_ = static_cast<std::size_t>(at - out_.data()); }
    static char* big_endian(char* at, std::uint64_t value, int bytes) {
        for (int i = bytes - 1; i >= 0; --i) *at++ = static_cast<char>(value >> (8 * i));
        return at;
    }

    std::string out_;       // a value is one copy into it, with room to spare behind size_
    std::size_t size_ = 0;  // bytes that count
};

}  // namespace tracking::store
