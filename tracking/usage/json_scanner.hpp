// An incremental JSON reader that walks a key_tree along with the document and tells its sink of the wanted values
// only; all else is passed over as fast as the bytes can be looked at. Input may be cut anywhere, may hold several
// documents one after the other, and may be anything at all: memory is this object, whatever comes.
//
// It is lenient where leniency cannot change a wanted value (control bytes in strings, what skipped values hold);
// where the structure itself is broken it stops until reset().
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "tracking/usage/key_tree.hpp"
#include "tracking/usage/string_reader.hpp"

namespace tracking::usage {

class json_sink {
public:
    virtual ~json_sink() = default;
    virtual void on_word(node_id at, std::string_view value) noexcept = 0;
    virtual void on_text(node_id at, std::size_t bytes) noexcept = 0;  // so many more bytes of one value, never 0
    virtual void on_number(node_id at, std::string_view token) noexcept = 0;
    virtual void on_bool(node_id at, bool value) noexcept = 0;
    virtual void on_open(node_id at,
                         bool array) noexcept = 0;  // told at the first member: an empty object or array is silent
    virtual void on_close(node_id at, bool array) noexcept = 0;
};

class json_scanner {
public:
    json_scanner(const key_tree& tree, json_sink& sink) noexcept : tree_(tree), sink_(sink) {}

    void reset() noexcept;  // what follows is a new document; whatever was open is dropped
    void feed(std::string_view bytes) noexcept;
    bool broken() const noexcept { return state_ == state::broken; }

private:
    enum class state : std::uint8_t {
        value,        // a value begins here
        element,      // behind '[': a value or ']'
        member,       // behind '{': a key or '}'
        key,          // behind ',' in an object
        colon,        // behind a key
        next,         // behind a value; up to here white space may come
        key_text,     // inside a key
        string,       // inside a wanted string
        number,       // inside a number
        literal,      // inside true, false, null
        skip_string,  // inside a string that nobody wants
        skip_escape,  // behind a backslash there
        skip,         // inside an object or array that nobody wants
        broken
    };
    struct frame {
        node_id node;
        bool array;
    };

    const char* read_value(const char* p, const char* end) noexcept;
    const char* open_container(const char* p, const char* end) noexcept;
    const char* close_container(const char* p, bool was_open) noexcept;
    const char* read_element(const char* p, const char* end) noexcept;
    const char* read_member(const char* p, const char* end) noexcept;
    const char* read_key(const char* p, const char* end) noexcept;
    const char* read_key_text(const char* p, const char* end) noexcept;
    const char* read_colon(const char* p, const char* end) noexcept;
    const char* read_next(const char* p, const char* end) noexcept;
    const char* begin_string(const char* p, const char* end) noexcept;
    const char* read_string(const char* p, const char* end) noexcept;
    const char* begin_number(const char* p, const char* end) noexcept;
    const char* read_number(const char* p, const char* end) noexcept;
    const char* read_literal(const char* p, const char* end) noexcept;
    const char* skip(const char* p, const char* end) noexcept;
    const char* skip_in_container(const char* p, const char* end) noexcept;
    const char* skip_in_string(const char* p, const char* end) noexcept;
    void end_value() noexcept;
    void end_number(std::string_view token) noexcept;
    bool wants(std::uint8_t what) const noexcept { return (tree_.interests(node_) & what) != 0; }

    const key_tree& tree_;
    json_sink& sink_;
    state state_ = state::value;
    std::uint8_t depth_ = 0;
    std::uint8_t literal_at_ = 0;
    std::uint8_t token_size_ = 0;
    bool token_cut_ = false;         // the number is longer than token_: no count, whatever it says
    node_id node_ = key_tree::root;  // of the value that is read, or comes next
    std::uint64_t skip_depth_ = 0;   // 0 while a lone string is skipped
    std::string_view literal_;
    std::array<frame, key_tree::deepest + 2> frames_;
    std::array<char, 64> token_;  // a number that was cut
    string_reader string_;
};

}  // namespace tracking::usage
