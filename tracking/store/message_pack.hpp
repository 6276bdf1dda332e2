// MessagePack, the few types that a batch needs: how one argument carries a whole batch to the script (Redis has the
// decoder built in; one packed argument costs it a third of the same values as separate arguments).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace tracking::store {

class message_pack {
public:
    void text(std::string_view value) {
        if (value.size() < 32) {
            out_ += static_cast<char>(0xA0U | value.size());
        } else if (value.size() < 256) {
            out_ += static_cast<char>(0xD9);
            big_endian(value.size(), 1);
        } else {
            out_ += static_cast<char>(0xDB);
            big_endian(value.size(), 4);
        }
        out_ += value;
    }

    // A number that the script's doubles hold exactly; a larger one travels as text.
    void integer(std::int64_t value) {
        if (value >= 0 && value < 128) {
            out_ += static_cast<char>(value);
        } else if (value >= 0 && value < 65536) {
            out_ += static_cast<char>(0xCD);
            big_endian(static_cast<std::uint64_t>(value), 2);
        } else if (value > -exact_below && value < exact_below) {
            out_ += static_cast<char>(0xD3);
            big_endian(static_cast<std::uint64_t>(value), 8);
        } else {
            text(std::to_string(value));
        }
    }

    // Returns the place that close_array fills with the number of elements.
    std::size_t open_array() {
        const std::size_t place = out_.size();
        out_ += static_cast<char>(0xDD);
        out_.append(4, '\0');
        return place;
    }
    void close_array(std::size_t place, std::size_t elements) {
        for (std::size_t i = 0; i < 4; ++i) out_[place + 1 + i] = static_cast<char>(elements >> (8 * (3 - i)));
    }

    const std::string& bytes() const { return out_; }
    void raw(const message_pack& other) { out_ += other.out_; }
    void clear() { out_.clear(); }

    static constexpr std::int64_t exact_below = 1'000'000'000'000'000;

private:
    void big_endian(std::uint64_t value, int bytes) {
        for (int i = bytes - 1; i >= 0; --i) out_ += static_cast<char>(value >> (8 * i));
    }

    std::string out_;
};

}  // namespace tracking::store
