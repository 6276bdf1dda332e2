// All shapes laid together: the one tree of keys that answers are scanned for, and what each key found means. Built at
// first use, immutable, shared by all answer scanners.
#pragma once

#include <array>
#include <bitset>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "tracking/usage/key_tree.hpp"
#include "tracking/usage/shape.hpp"

namespace tracking::usage {

inline constexpr std::size_t max_shapes = 16;
inline constexpr std::size_t max_values = 128;  // distinct paths whose numbers are kept
inline constexpr std::uint8_t no_value = 255;

class shape_table {
public:
    struct row {
        want kind;
        std::uint8_t shape = 0;         // whose sign it is
        std::uint8_t value = no_value;  // where its number is kept
        const wanted* wish = nullptr;
    };

    static const shape_table& get();

    const key_tree& tree() const noexcept { return tree_; }
    const row& at(std::uint16_t number) const noexcept { return rows_[number]; }
    // Where the number is kept that a shape calls `slot`.
    std::uint8_t value(std::size_t shape, std::uint8_t slot) const noexcept { return values_[shape][slot]; }
    // Whether a number says how much was generated.
    bool counts_output(std::uint8_t value) const noexcept { return output_.test(value); }
    // The shapes that want this number.
    const std::bitset<max_shapes>& wanted_by(std::uint8_t value) const noexcept { return wanted_by_[value]; }
    std::size_t value_count() const noexcept { return value_paths_.size(); }

private:
    shape_table();
    void add(std::uint8_t shape, const wanted& wish);
    std::uint8_t value_of(const wanted& wish);

    key_tree tree_;
    std::vector<row> rows_;
    std::vector<std::pair<std::string_view, std::string_view>> value_paths_;  // with the text that is asked for
    std::array<std::array<std::uint8_t, slots_per_shape>, max_shapes> values_{};
    std::array<std::bitset<max_shapes>, max_values> wanted_by_{};
    std::bitset<max_values> output_;
};

}  // namespace tracking::usage
