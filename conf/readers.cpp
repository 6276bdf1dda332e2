#include "conf/readers.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <optional>

namespace conf {
namespace {

std::string_view trim(std::string_view text) {
    const auto first = text.find_first_not_of(" \t");
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

// The items of an array, of a lone text, or of the comma-separated text of an override.
std::optional<std::vector<value>> items_of(const value& from, const context& at) {
    if (from.is == value::kind::list) return from.items;
    if (from.is == value::kind::text) return std::vector<value>{from};
    if (from.is != value::kind::loose) {
        at.fail_type(from, "an array of texts");
        return std::nullopt;
    }
    std::vector<value> items;
    std::string_view rest = from.text;
    while (!trim(rest).empty()) {
        const auto comma = rest.find(',');
        items.push_back(value::loose(std::string(trim(rest.substr(0, comma)))));
        rest = comma == std::string_view::npos ? std::string_view{} : rest.substr(comma + 1);
    }
    return items;
}

}  // namespace

void context::fail_type(const value& from, std::string_view expected) const {
    std::string what = "expected ";
    what += expected;
    if (from.is != value::kind::loose) what.append(", found ").append(from.kind_name());
    fail(from.at, std::move(what));
}

void read_bool(const value& from, bool& into, const context& at) {
    if (from.is == value::kind::boolean)
        into = from.boolean;
    else if (from.is == value::kind::loose && (from.text == "true" || from.text == "false"))
        into = from.text == "true";
    else
        at.fail_type(from, "true or false");
}

void read_text(const value& from, std::string& into, const context& at, text_check check) {
    if (!from.is_text()) return at.fail_type(from, "a text in quotes");
    if (from.text.find('\0') != std::string::npos) return at.fail(from.at, "must not hold a zero byte");
    if (check)
        if (std::string wrong = check(from.text); !wrong.empty()) return at.fail(from.at, std::move(wrong));
    into = from.text;
}

void read_texts(const value& from, std::vector<std::string>& into, const context& at, text_check check) {
    const auto items = items_of(from, at);
    if (!items) return;
    std::vector<std::string> texts(items->size());
    for (std::size_t i = 0; i < items->size(); ++i) read_text((*items)[i], texts[i], at, check);
    into = std::move(texts);
}

void read_endpoints(const value& from, std::vector<endpoint>& into, const context& at,
                    parsed<endpoint> (*parse)(std::string_view)) {
    const auto items = items_of(from, at);
    if (!items) return;
    std::vector<endpoint> endpoints;
    for (const value& item : *items) {
        if (!item.is_text()) {
            at.fail_type(item, "an address in quotes");
            continue;
        }
        auto result = parse(item.text);
        if (auto* wrong = std::get_if<complaint>(&result))
            at.fail(item.at, std::move(wrong->what));
        else
            endpoints.push_back(std::move(std::get<endpoint>(result)));
    }
    if (items->empty()) at.fail(from.at, "at least one address is needed");
    if (!endpoints.empty()) into = std::move(endpoints);
}

void read_duration(const value& from, milliseconds& into, const context& at, milliseconds least, milliseconds most) {
    if (from.is == value::kind::integer)
        return at.fail(from.at,
                       "a duration needs its unit and quotes, such as \"" + std::to_string(from.integer) + "s\"");
    if (!from.is_text()) return at.fail_type(from, "a duration such as \"30s\"");
    auto result = parse_duration(from.text);
    if (auto* wrong = std::get_if<complaint>(&result)) return at.fail(from.at, std::move(wrong->what));
    const auto duration = std::get<milliseconds>(result);
    if (duration < least || duration > most)
        return at.fail(from.at, "must be from " + std::to_string(least.count()) + "ms to " +
                                    std::to_string(most.count() / 1000) + "s");
    into = duration;
}

void read_decimal(const value& from, std::int64_t& into, const context& at, int places, std::int64_t most) {
    parsed<std::int64_t> result = complaint{"expected a number such as 0.0006"};
    if (from.is == value::kind::integer) result = parse_decimal(std::to_string(from.integer), places);
    if (from.is == value::kind::real) result = decimal_of(from.real, places);
    if (from.is_text()) result = parse_decimal(from.text, places);
    if (auto* wrong = std::get_if<complaint>(&result)) return at.fail(from.at, std::move(wrong->what));
    const auto scaled = std::get<std::int64_t>(result);
    if (scaled < 0) return at.fail(from.at, "must not be negative");
    if (scaled > most) return at.fail(from.at, "this figure is too large to be a price");
    into = scaled;
}

void read_whole(const value& from, std::int64_t& into, const context& at, std::int64_t least, std::int64_t most) {
    parsed<std::int64_t> result = from.integer;
    if (from.is == value::kind::loose)
        result = parse_integer(from.text);
    else if (from.is != value::kind::integer)
        return at.fail_type(from, "a whole number");
    if (auto* wrong = std::get_if<complaint>(&result)) return at.fail(from.at, std::move(wrong->what));
    const auto number = std::get<std::int64_t>(result);
    if (number < least || number > most)
        return at.fail(from.at, "must be from " + std::to_string(least) + " to " + std::to_string(most));
    into = number;
}

void read_bytes(const value& from, std::uint64_t& into, const context& at, std::uint64_t least, std::uint64_t most) {
    parsed<std::uint64_t> result = std::uint64_t{0};
    if (from.is_text())
        result = parse_size(from.text);
    else if (from.is == value::kind::integer && from.integer < 0)
        result = complaint{"a size is not negative"};
    else if (from.is == value::kind::integer)
        result = static_cast<std::uint64_t>(from.integer);
    else
        return at.fail_type(from, R"(a size in bytes, such as 65536 or "64MB")");
    if (auto* wrong = std::get_if<complaint>(&result)) return at.fail(from.at, std::move(wrong->what));
    const auto bytes = std::get<std::uint64_t>(result);
    if (bytes < least || bytes > most)
        return at.fail(from.at, "must be from " + std::to_string(least) + " to " + std::to_string(most) + " bytes");
    into = bytes;
}

std::string not_empty(std::string_view text) { return text.empty() ? "must not be empty" : ""; }

std::string field_name_or_empty(std::string_view text) {
    constexpr std::string_view marks = "!#$%&'*+-.^_`|~";
    const bool fine = std::all_of(text.begin(), text.end(), [&](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               marks.find(c) != std::string_view::npos;
    });
    return fine ? "" : "expected the name of an HTTP field, such as x-user-id";
}

std::string readable_file_or_empty(std::string_view text) {
    if (text.empty()) return {};
    const std::string path(text);
    std::error_code error;
    const auto status = std::filesystem::status(path, error);
    if (!std::filesystem::exists(status)) return "no such file: " + path;
    if (std::filesystem::is_directory(status)) return "this is a directory: " + path;
    return ::access(path.c_str(), R_OK) == 0 ? "" : "this file may not be read: " + path;
}

std::string appendable_file_or_empty(std::string_view text) {
    if (text.empty()) return {};
    const std::filesystem::path path(text);
    std::error_code error;
    const auto status = std::filesystem::status(path, error);
    if (std::filesystem::is_directory(status)) return "this is a directory: " + path.string();
    if (std::filesystem::exists(status))
        return ::access(path.c_str(), W_OK) == 0 ? "" : "this file may not be written: " + path.string();
    const std::string folder = path.has_parent_path() ? path.parent_path().string() : ".";
    if (!std::filesystem::is_directory(folder, error)) return "no such folder: " + folder;
    return ::access(folder.c_str(), W_OK | X_OK) == 0 ? "" : "no file may be made in " + folder;
}

std::string to_lower(std::string_view text) {
    std::string lower(text);
    for (char& c : lower)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    return lower;
}

}  // namespace conf
