// Collects what the scanner finds in one answer, by the rules that all formats share: null never erases, the last
// value of a field holds, a usage object counts once it is complete, repeated text counts once; and draws the
// conclusions at the end. Called by answer_scanner with everything that is found; it knows no bytes of the body.
#pragma once

#include <array>
#include <bitset>
#include <cstdint>
#include <string>
#include <string_view>

#include "tracking/usage/answer.hpp"
#include "tracking/usage/json_scanner.hpp"
#include "tracking/usage/shapes.hpp"

namespace tracking::usage {

// Clears the facts; the capacity of their texts stays.
void clear(usage_facts& facts) noexcept;

class findings final : public json_sink {
public:
    explicit findings(usage_facts& facts);

    void begin(int status) noexcept;
    // Text outside of any JSON, and how much white space came before it.
    void on_plain_text(std::string_view piece, std::size_t blanks = 0) noexcept;
    void end_event(std::string_view name) noexcept;  // an event of an event stream ended
    void conclude() noexcept;                        // the body ended

    bool take_first_token() noexcept;  // true once: when text, reasoning or a tool call was found
    std::uint64_t documents() const noexcept { return documents_; }
    bool in_array() const noexcept { return in_array_; }
    bool has_array_of_chunks() const noexcept { return in_array_ && signs_.any(); }

    void on_word(node_id at, std::string_view value) noexcept override;
    void on_text(node_id at, std::size_t bytes) noexcept override;
    void on_number(node_id at, std::string_view token) noexcept override;
    void on_bool(node_id at, bool value) noexcept override;
    void on_open(node_id at, bool array) noexcept override;
    void on_close(node_id at, bool array) noexcept override;

private:
    class view;

    void take_word(const shape_table::row& row, std::string_view value) noexcept;
    void take_model(std::string_view value, bool guess) noexcept;
    void take_type(std::string_view value) noexcept;
    void take_finish(std::string_view value) noexcept;
    void take_tier(std::string_view value) noexcept;
    void pair_element() noexcept;
    void keep(const shape_table::row& row, std::int64_t value) noexcept;
    void count_event(std::uint8_t value) noexcept;
    void commit(std::uint8_t value, std::int64_t figure) noexcept;
    void close_scope() noexcept;
    void begin_document() noexcept;
    void end_document() noexcept;
    void settle_error() noexcept;
    void take_usage() noexcept;

    const shape_table& table_;
    usage_facts& facts_;
    int status_ = 200;
    std::uint64_t documents_ = 0;
    bool in_array_ = false;  // the documents are elements of one array
    bool token_seen_ = false;
    bool token_told_ = false;

    // Of the current document or event.
    bool failed_ = false;   // it is an error
    bool repeats_ = false;  // its text was told before
    bool counted_ = false;  // it stated how much was generated until then
    std::uint64_t text_ = 0;
    std::string error_word_;
    std::string maybe_error_;

    // Numbers: staged inside an open scope, kept once it closed.
    node_id scope_ = key_tree::none;
    std::size_t staged_count_ = 0;
    std::array<std::uint8_t, max_values> staged_;
    std::bitset<max_values> is_staged_;
    std::array<std::int64_t, max_values> staged_figures_;
    std::array<std::int64_t, max_values> figures_;
    std::array<std::uint64_t, max_values> stamps_;  // 0 = never; else 2 * document, + 1 when not below another key
    // Of the open list element that pairs a name with a number, in whichever order they come.
    std::string element_name_;
    node_id element_number_at_ = key_tree::none;
    std::int64_t element_number_ = 0;
    std::bitset<max_shapes> signs_;
    std::bitset<max_shapes> has_figure_;
    bool model_guessed_ = false;
    std::string status_word_;
};

}  // namespace tracking::usage
