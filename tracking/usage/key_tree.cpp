#include "tracking/usage/key_tree.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <string>
#include <utility>

namespace tracking::usage {

namespace {

std::uint64_t load(const char* p, std::size_t n) noexcept {
    std::uint64_t value = 0;
    std::memcpy(&value, p, n);
    return value;
}

// Mixes a key's length, front and back; wanted keys differ in them, and others are compared in full anyway.
std::uint64_t hash(node_id parent, std::string_view key) noexcept {
    std::uint64_t front = 0;
    std::uint64_t back = 0;
    if (key.size() >= 8) {
        front = load(key.data(), 8);
        back = load(key.data() + key.size() - 8, 8);
    } else if (key.size() >= 4) {
        front = load(key.data(), 4);
        back = load(key.data() + key.size() - 4, 4);
    } else if (!key.empty()) {
        front = static_cast<unsigned char>(key.front());
        back = (std::uint64_t{static_cast<unsigned char>(key[key.size() / 2])} << 8U) |
               static_cast<unsigned char>(key.back());
    }
    const std::uint64_t mixed = front * 0x9E3779B97F4A7C15ULL ^ std::rotl(back, 23) * 0xC2B2AE3D27D4EB4FULL;
    return (mixed ^ (std::uint64_t{parent} << 32U) ^ key.size()) * 0xFF51AFD7ED558CCDULL;
}

}  // namespace

key_tree::key_tree() {
    nodes_.resize(2);  // none and root
    nodes_[root].element = root;
}

node_id key_tree::make_node(unsigned level) {
    nodes_.emplace_back();
    nodes_.back().level = static_cast<std::uint8_t>(level);
    return static_cast<node_id>(nodes_.size() - 1);
}

const key_tree::edge* key_tree::find_edge(node_id parent, std::string_view key) const noexcept {
    const auto found = std::ranges::find_if(
        edges_, [&](const edge& e) { return e.parent == parent && std::string_view(e.key.data(), e.length) == key; });
    return found == edges_.end() ? nullptr : &*found;
}

node_id key_tree::step(node_id from, std::string_view key) {
    nodes_[from].has_children = true;
    if (key == "*") {
        if (nodes_[from].any == none) {
            const node_id made = make_node(nodes_[from].level + 1U);
            nodes_[from].any = made;
        }
        return nodes_[from].any;
    }
    if (const edge* known = find_edge(from, key)) return known->child;
    edge made{from, make_node(nodes_[from].level + 1U), static_cast<std::uint8_t>(key.size()), {}};
    std::ranges::copy(key, made.key.begin());
    edges_.push_back(made);
    return made.child;
}

void key_tree::add_exact(std::string_view path, std::uint8_t interests, std::uint16_t row) {
    node_id at = root;
    while (!path.empty()) {
        const std::size_t dot = path.find('.');
        std::string_view key = path.substr(0, dot);
        path = dot == std::string_view::npos ? std::string_view() : path.substr(dot + 1);
        const bool array = key.ends_with("[]");
        if (array) key.remove_suffix(2);
        at = step(at, key);
        if (array) {
            if (nodes_[at].element == none) {
                const node_id made = make_node(nodes_[at].level);
                nodes_[at].element = made;
            }
            at = nodes_[at].element;
        }
    }
    nodes_[at].interests |= interests;
    wishes_.push_back({at, row});
}

void key_tree::add(std::string_view path, std::uint8_t interests, std::uint16_t row) {
    if (!path.starts_with("?.")) return add_exact(path, interests, row);
    path.remove_prefix(2);
    add_exact(path, interests, row);
    add_exact("*." + std::string(path), interests, row);
}

void key_tree::take_wishes(node_id to, node_id from) {
    nodes_[to].interests |= nodes_[from].interests;
    const std::vector<wish> all = wishes_;
    for (const wish& w : all) {
        const auto same = [&](const wish& other) { return other.node == to && other.row == w.row; };
        if (w.node == from && std::ranges::none_of(all, same)) wishes_.push_back({to, w.row});
    }
}

// `named` is a place with a name, `twin` the same place below any key: what is wanted there is wanted here too.
void key_tree::pair_up(node_id named, node_id twin) {
    nodes_[named].twin = twin;
    nodes_[named].has_children = nodes_[named].has_children || nodes_[twin].has_children;
    take_wishes(named, twin);
    if (nodes_[named].element == none) {
        nodes_[named].element = nodes_[twin].element;
    } else if (nodes_[twin].element != none) {
        pair_up(nodes_[named].element, nodes_[twin].element);
    }
    for (std::size_t i = 0; i < edges_.size(); ++i) {
        if (edges_[i].parent != named) continue;
        const edge* below = find_edge(twin, std::string_view(edges_[i].key.data(), edges_[i].length));
        if (below != nullptr) pair_up(edges_[i].child, below->child);
    }
}

void key_tree::seal() {
    for (std::size_t i = 0; i < edges_.size(); ++i) {
        if (edges_[i].parent == root && nodes_[root].any != none) pair_up(edges_[i].child, nodes_[root].any);
    }
    std::ranges::sort(wishes_, {}, [](const wish& w) { return std::pair(w.node, w.row); });
    rows_.clear();
    for (const wish& w : wishes_) {
        node& n = nodes_[w.node];
        if (n.row_count == 0) n.first_row = static_cast<std::uint16_t>(rows_.size());
        ++n.row_count;
        rows_.push_back(w.row);
    }
    table_bits_ = static_cast<unsigned>(std::bit_width(edges_.size() * 4));
    table_.assign(std::size_t{1} << table_bits_, 0);
    for (std::size_t i = 0; i < edges_.size(); ++i) {
        std::size_t at = bucket(edges_[i].parent, std::string_view(edges_[i].key.data(), edges_[i].length));
        while (table_[at] != 0) at = (at + 1) & (table_.size() - 1);
        table_[at] = static_cast<std::uint16_t>(i + 1);
    }
}

std::size_t key_tree::bucket(node_id parent, std::string_view key) const noexcept {
    return static_cast<std::size_t>(hash(parent, key) >> (64U - table_bits_));
}

node_id key_tree::lookup(node_id parent, std::string_view key) const noexcept {
    std::size_t at = bucket(parent, key);
    while (table_[at] != 0) {
        const edge& e = edges_[table_[at] - 1U];
        if (e.parent == parent && e.length == key.size() && std::memcmp(e.key.data(), key.data(), e.length) == 0) {
            return e.child;
        }
        at = (at + 1) & (table_.size() - 1);
    }
    return none;
}

node_id key_tree::child(node_id parent, std::string_view key) const noexcept {
    const node& from = nodes_[parent];
    node_id found = none;
    if (key.size() <= longest_key && from.has_children) {
        found = lookup(parent, key);
        if (found == none && from.twin != none) found = lookup(from.twin, key);
    }
    return found == none ? from.any : found;
}

}  // namespace tracking::usage
