#include "conf/config.hpp"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <map>
#include <optional>
#include <ostream>
#include <tuple>

#include "conf/document.hpp"
#include "conf/keys.hpp"
#include "conf/nearest.hpp"
#include "conf/readers.hpp"

namespace conf {
namespace {

using errors = std::vector<config_error>;

// Where a key was last said, so that what only shows in the whole can still name its line.
using origins = std::map<std::string_view, config_error>;

std::string_view nearest_name(std::string_view unknown) {
    std::vector<std::string_view> names;
    for (const key_rule& rule : key_rules()) {
        if (!rule.supported) continue;
        names.push_back(rule.name);
        if (const std::size_t dot = rule.name.rfind('.'); dot != std::string_view::npos)
            names.push_back(rule.name.substr(0, dot));  // a section's name may be what is misspelt
    }
    return nearest_key(unknown, names);
}

std::string unknown_key(std::string_view key) {
    return "unknown key; did you mean " + std::string(nearest_name(key)) + "?";
}

class loader {
public:
    settings made = default_settings();
    errors found;

    // The members of `table`, whose keys begin with `prefix` ("identity.jwt." or "").
    void read_table(const value& table, const std::string& prefix, const std::string& source) {
        for (const member& child : table.members) {
            const std::string key = prefix + child.key;
            // A quoted key with a dot in it is not the path that it looks like.
            const bool path = child.key.find('.') == std::string::npos;
            if (const key_rule* rule = path ? find_rule(key) : nullptr)
                read_key(*rule, child.what, source);
            else if (!path || !is_section(key))
                found.push_back({source, child.at.line, child.at.column, key, unknown_key(key)});
            else if (child.what.is == value::kind::table)
                read_table(child.what, key + ".", source);
            else
                context(source, key, found).fail_type(child.what, "a section: [" + key + "]");
        }
    }

    void read_override(const override_value& given) {
        if (const key_rule* rule = find_rule(given.key))
            read_key(*rule, value::loose(given.value), given.source);
        else
            found.push_back({given.source, 0, 0, given.key, unknown_override(given.key)});
    }

    // What no key shows alone.
    void check_whole() {
        for (const endpoint& own : made.listen) {
            for (const endpoint& peer : made.upstream)
                if (same(own, peer) || is_every_address_of(own, peer))
                    complain("upstream", "this is where aimeter itself listens");
            if (made.admin.listen && same(own, *made.admin.listen))
                complain("admin.listen", "the same as listen; leave it empty to serve both there");
            if (std::count_if(made.listen.begin(), made.listen.end(), [&](const auto& e) { return same(own, e); }) >
                1) {
                complain("listen", "the same address is there twice");
                break;
            }
        }
        if (!made.identity.plan_header.empty() && made.identity.header.empty())
            complain("identity.plan_header", "needs identity.header, which says whose plan it is");
        if (made.forward.max_fail_timeout < made.forward.fail_timeout)
            complain("forward.max_fail_timeout", "is shorter than forward.fail_timeout, where the back-off begins");
        if (made.tls.cert.empty() != made.tls.key.empty())
            complain(made.tls.key.empty() ? "tls.cert" : "tls.key", "tls.cert and tls.key are needed both");
        if (made.redis.tls.cert.empty() != made.redis.tls.key.empty())
            complain(made.redis.tls.key.empty() ? "redis.cert" : "redis.key",
                     "redis.cert and redis.key are needed both");
    }

    // Where `key`, or the key that it stands below, was said last; nullopt = no key's name.
    std::optional<config_error> origin_of(std::string_view key) const {
        for (; find_rule(key) == nullptr; key = key.substr(0, key.rfind('.')))
            if (key.find('.') == std::string_view::npos) return std::nullopt;
        const auto origin = said_.find(key);
        return origin == said_.end() ? config_error{"defaults", 0, 0, "", ""} : origin->second;
    }

private:
    origins said_;

    static bool same(const endpoint& a, const endpoint& b) {
        if (!a.unix_path.empty() || !b.unix_path.empty()) return a.unix_path == b.unix_path;
        return a.port != 0 && a.port == b.port && a.host == b.host;
    }

    // Whether `own` listens on every address of this machine, the loopback address `peer` among them.
    static bool is_every_address_of(const endpoint& own, const endpoint& peer) {
        if (own.port == 0 || own.port != peer.port) return false;
        return (own.host == "0.0.0.0" && peer.host.starts_with("127.")) || (own.host == "::" && peer.host == "::1");
    }

    void read_key(const key_rule& rule, const value& from, const std::string& source) {
        said_.insert_or_assign(rule.name, config_error{source, from.at.line, from.at.column, "", ""});
        rule.read(from, made, context(source, std::string(rule.name), found));
    }

    void complain(std::string_view key, std::string what) {
        config_error error = origin_of(key).value_or(config_error{});
        error.key = key;
        error.what = std::move(what);
        found.push_back(std::move(error));
    }

    static std::string unknown_override(const std::string& key) {
        if (!key.starts_with("AIMETER_")) return unknown_key(key);
        std::vector<std::string> names;
        for (const key_rule& rule : key_rules())
            if (rule.supported) names.push_back(environment_name(rule.name));
        const auto nearest = nearest_key(key, {names.begin(), names.end()});
        return "unknown variable; did you mean " + std::string(nearest) + "?";
    }
};

loader read_document(const std::optional<std::string>& text, const std::string& source,
                     const std::vector<override_value>& overrides) {
    loader one;
    if (text) {
        auto document = parse_toml(*text, source);
        if (auto* wrong = std::get_if<config_error>(&document))
            one.found.push_back(std::move(*wrong));
        else
            one.read_table(std::get<value>(document), "", source);
    }
    std::sort(one.found.begin(), one.found.end(), [](const config_error& x, const config_error& y) {
        return std::tie(x.line, x.column, x.key, x.what) < std::tie(y.line, y.column, y.key, y.what);
    });
    for (const override_value& given : overrides) one.read_override(given);
    return one;
}

std::variant<settings, errors> load_document(const std::optional<std::string>& text, const std::string& source,
                                             const std::vector<override_value>& overrides) {
    loader one = read_document(text, source, overrides);
    if (one.found.empty()) one.check_whole();
    if (!one.found.empty()) return std::move(one.found);
    return std::move(one.made);
}

// nullopt when `path` is empty: no file.
std::variant<std::optional<std::string>, config_error> text_of(const std::string& path) {
    if (path.empty()) return std::nullopt;
    if (std::string wrong = readable_file_or_empty(path); !wrong.empty())
        return config_error{path, 0, 0, "", std::move(wrong)};
    std::ifstream file(path, std::ios::binary);
    std::string text(std::istreambuf_iterator<char>(file), {});
    if (!file.is_open() || file.bad()) return config_error{path, 0, 0, "", "this file could not be read"};
    return std::optional(std::move(text));
}

}  // namespace

std::string config_error::text() const {
    std::string line_text = source;
    if (line != 0) line_text += ":" + std::to_string(line) + ":" + std::to_string(column);
    if (!key.empty()) line_text += ": " + key;
    return line_text + ": " + what;
}

settings default_settings() {
    settings made;
    made.listen.push_back(std::get<endpoint>(parse_listen("127.0.0.1:8080")));
    made.upstream.push_back(std::get<endpoint>(parse_upstream("http://127.0.0.1:3000")));
    made.features = {{"experience-description", "content-gen"}, {"project-description", "content-gen"},
                     {"tailored-bullets", "ats-optimizer"},     {"job-match", "job-matcher"},
                     {"cover-letter", "cover-letter"},          {"skill-gap", "skill-gap"}};
    return made;
}

std::variant<settings, std::vector<config_error>> load_text(std::string_view text, const std::string& source,
                                                            const std::vector<override_value>& overrides) {
    return load_document(std::string(text), source, overrides);
}

std::variant<settings, std::vector<config_error>> load(const std::string& path,
                                                       const std::vector<override_value>& overrides) {
    const auto text = text_of(path);
    if (const auto* wrong = std::get_if<config_error>(&text)) return errors{*wrong};
    return load_document(std::get<std::optional<std::string>>(text), path, overrides);
}

std::string with_place(const std::string& problem, const std::string& path,
                       const std::vector<override_value>& overrides) {
    const auto text = text_of(path);
    const std::size_t colon = problem.find(": ");
    const auto* document = std::get_if<std::optional<std::string>>(&text);
    if (document == nullptr || colon == std::string::npos) return problem;
    auto error = read_document(*document, path, overrides).origin_of(std::string_view(problem).substr(0, colon));
    if (!error) return problem;
    error->key = problem.substr(0, colon);
    error->what = problem.substr(colon + 2);
    return error->text();
}

int run_check(const std::string& path, const std::vector<override_value>& overrides, std::ostream& out,
              std::ostream& err) {
    const auto loaded = load(path, overrides);
    if (const auto* found = std::get_if<errors>(&loaded)) {
        for (const config_error& error : *found) err << error.text() << '\n';
        return 1;
    }
    out << "configuration ok\n";
    return 0;
}

}  // namespace conf
