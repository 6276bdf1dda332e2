// The keys that are wanted from a JSON document, as a tree that json_scanner walks down while it reads. Built once at
// start from the tables of paths, then immutable and shared by every scanner of the process.
//
// A path is keys joined by dots; `[]` behind a key means the elements of its array, a leading `?.` that the rest may
// also lie one level lower, below any key. The path "" is the document itself; an array at the top counts as a
// sequence of documents.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace tracking::usage {

using node_id = std::uint16_t;

// What the scanner shall say of a value, as bits.
namespace interest {
inline constexpr std::uint8_t word = 1;    // a string's content, bounded
inline constexpr std::uint8_t text = 2;    // how many bytes a string's content has
inline constexpr std::uint8_t raw = 4;     // how many bytes an object or array has, as written
inline constexpr std::uint8_t scalar = 8;  // a number or a boolean
inline constexpr std::uint8_t open = 16;   // where an object or array begins and ends
}  // namespace interest

class key_tree {
public:
    static constexpr node_id none = 0;
    static constexpr node_id root = 1;
    static constexpr std::size_t longest_key = 32;
    static constexpr std::size_t deepest = 14;  // levels of objects and arrays that a path may have

    key_tree();
    // `row` is the caller's number for this wish, found again through rows().
    void add(std::string_view path, std::uint8_t interests, std::uint16_t row);
    // After the last add(): only then may a scanner use the tree.
    void seal();

    node_id child(node_id parent, std::string_view key) const noexcept;
    node_id element(node_id array) const noexcept { return nodes_[array].element; }
    bool has_children(node_id node) const noexcept { return nodes_[node].has_children; }
    std::uint8_t interests(node_id node) const noexcept { return nodes_[node].interests; }
    unsigned level(node_id node) const noexcept { return nodes_[node].level; }  // keys passed from the root
    std::span<const std::uint16_t> rows(node_id node) const noexcept {
        return std::span(rows_).subspan(nodes_[node].first_row, nodes_[node].row_count);
    }

private:
    struct node {
        node_id any = none;      // where keys without an edge lead
        node_id twin = none;     // the node of the same place below any key, which knows further keys
        node_id element = none;  // where the elements of an array lead
        std::uint16_t first_row = 0;
        std::uint8_t row_count = 0;
        std::uint8_t interests = 0;
        std::uint8_t level = 0;
        bool has_children = false;
    };
    struct edge {
        node_id parent = none;
        node_id child = none;
        std::uint8_t length = 0;
        std::array<char, longest_key> key{};
    };
    struct wish {
        node_id node;
        std::uint16_t row;
    };

    node_id make_node(unsigned level);
    node_id step(node_id from, std::string_view key);
    void add_exact(std::string_view path, std::uint8_t interests, std::uint16_t row);
    void pair_up(node_id named, node_id twin);
    void take_wishes(node_id to, node_id from);
    std::size_t bucket(node_id parent, std::string_view key) const noexcept;
    const edge* find_edge(node_id parent, std::string_view key) const noexcept;  // while building
    node_id lookup(node_id parent, std::string_view key) const noexcept;

    std::vector<node> nodes_;
    std::vector<edge> edges_;
    std::vector<wish> wishes_;
    std::vector<std::uint16_t> rows_;
    std::vector<std::uint16_t> table_;  // open addressing: index into edges_ + 1
    unsigned table_bits_ = 0;
};

}  // namespace tracking::usage
