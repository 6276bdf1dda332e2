// One reader for each type a key can have: from a value of the file (or the loose text of an override) into a member
// of the settings, or a complaint with the place. A complaint does not repeat what was written (it may be a secret),
// but for file names.
#pragma once

#include <concepts>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "conf/config.hpp"
#include "conf/document.hpp"
#include "conf/values.hpp"

namespace conf {

// The key that is being read, and where complaints about it go.
class context {
public:
    context(const std::string& source, std::string key, std::vector<config_error>& errors)
        : source_(source), key_(std::move(key)), errors_(errors) {}

    void fail(place at, std::string what) const {
        errors_.push_back({source_, at.line, at.column, key_, std::move(what)});
    }
    void fail_type(const value& from, std::string_view expected) const;
    // The context of a key below this one.
    context below(std::string_view key) const { return {source_, key_ + "." + std::string(key), errors_}; }

private:
    const std::string& source_;
    std::string key_;
    std::vector<config_error>& errors_;
};

// "" = nothing wrong with this text.
using text_check = std::string (*)(std::string_view);

void read_bool(const value& from, bool& into, const context& at);
void read_text(const value& from, std::string& into, const context& at, text_check check = nullptr);
void read_texts(const value& from, std::vector<std::string>& into, const context& at, text_check check = nullptr);
void read_endpoints(const value& from, std::vector<endpoint>& into, const context& at,
                    parsed<endpoint> (*parse)(std::string_view));
void read_duration(const value& from, milliseconds& into, const context& at, milliseconds least, milliseconds most);
// USD per `places` of the integer that is kept: 9 = nano-dollars.
void read_decimal(const value& from, std::int64_t& into, const context& at, int places, std::int64_t most);

// A whole number, or a number of bytes, within [least, most].
void read_whole(const value& from, std::int64_t& into, const context& at, std::int64_t least, std::int64_t most);
void read_bytes(const value& from, std::uint64_t& into, const context& at, std::uint64_t least, std::uint64_t most);

template <std::integral Number>
void read_integer(const value& from, Number& into, const context& at, std::int64_t least, std::int64_t most) {
    std::int64_t wide = static_cast<std::int64_t>(into);
    read_whole(from, wide, at, least, most);
    into = static_cast<Number>(wide);
}

template <std::unsigned_integral Number>
void read_size(const value& from, Number& into, const context& at, std::uint64_t least, std::uint64_t most) {
    std::uint64_t wide = into;
    read_bytes(from, wide, at, least, most);
    into = static_cast<Number>(wide);
}

// Keys that are themselves tables of names.
void read_features(const value& from, std::map<std::string, std::string>& into, const context& at);
void read_price_overrides(const value& from, std::map<std::string, price_override>& into, const context& at);
void read_cache_rules(const value& from, std::vector<cache_rule>& into, const context& at);

// A list of tables with cert and key, both files.
void read_certificates(const value& from, std::vector<certificate_files>& into, const context& at);

// What texts of several keys must look like.
std::string not_empty(std::string_view text);
std::string field_name_or_empty(std::string_view text);  // an HTTP field name
std::string known_timezone(std::string_view text);       // an IANA name
std::string readable_file_or_empty(std::string_view text);
// A file that may be appended to, or made: asked of its folder, so that nothing is made by asking.
std::string appendable_file_or_empty(std::string_view text);
std::string to_lower(std::string_view text);

}  // namespace conf
