// Which page, for whom, with which headers. No header or attribute lets a script in that is not an asset of ours.
#include "admin-api/dashboard.hpp"

#include <algorithm>
#include <array>

#include "admin-api/content_coding.hpp"
#include "admin-api/problem.hpp"
#include "admin-api/query.hpp"
#include "pages/pages.hpp"

namespace admin {

namespace {

constexpr std::string_view monitoring_path = "/ai-monitoring", login_path = "/login", logout_path = "/logout",
                           assets_path = "/assets/";

// Scripts, styles and pictures are our assets alone; nothing is evaluated, framed or sent elsewhere, and no text
// becomes HTML (Trusted Types without any policy).
constexpr std::string_view content_policy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

std::string_view path_of(std::string_view target) { return target.substr(0, target.find('?')); }
std::string_view query_of(std::string_view target) {
    return target.substr(std::min(path_of(target).size() + 1, target.size()));
}

// `path` below the prefix, or nullopt.
std::optional<std::string_view> below(const conf::admin_settings& settings, std::string_view path) {
    if (!path.starts_with(settings.ui_path)) return std::nullopt;
    return path.substr(settings.ui_path.size());
}

const pages::asset* asset_at(std::string_view path) {
    return path.starts_with(assets_path) ? pages::find_asset(path.substr(assets_path.size())) : nullptr;
}

std::string escaped(std::string_view text) {
    std::string out;
    for (const char c : text) {
        const std::string_view name = c == '&'   ? "&amp;"
                                      : c == '<' ? "&lt;"
                                      : c == '>' ? "&gt;"
                                      : c == '"' ? "&quot;"
                                                 : "";
        if (name.empty()) {
            out += c;
        } else {
            out += name;
        }
    }
    return out;
}

// A request that is metered, for the curl line of an empty dashboard: the first of track.paths, made whole.
std::string tracked_path(const conf::track_settings& track) {
    std::string path = track.paths.empty() ? "/" : track.paths.front();
    if (path.ends_with('*')) path.replace(path.size() - 1, 1, "generate-text");
    return path;
}

// Where the application is asked when the pages have a listener of their own; "" = where the pages are.
std::string proxy_origin(const conf::settings& settings) {
    if (!settings.admin.listen || settings.listen.empty() || !settings.listen.front().unix_path.empty()) return {};
    const auto& at = settings.listen.front();
    std::string host = at.host.empty() || at.host == "0.0.0.0" || at.host == "::" ? "127.0.0.1" : at.host;
    if (host.find(':') != std::string::npos) host = '[' + host + ']';
    return (settings.tls.cert.empty() ? "http://" : "https://") + host + ':' + std::to_string(at.port);
}

response html(int status, std::string body) {
    response made;
    made.status = status;
    made.headers = {{"Content-Type", "text/html; charset=utf-8"},
                    {"Cache-Control", "no-store"},
                    {"Content-Security-Policy", std::string(content_policy)},
                    {"X-Content-Type-Options", "nosniff"},
                    {"X-Frame-Options", "DENY"},
                    {"Referrer-Policy", "same-origin"},
                    {"Cross-Origin-Opener-Policy", "same-origin"}};
    made.body = std::move(body);
    return made;
}

response redirect(std::string to) {
    response made;
    made.status = 303;
    made.headers = {{"Location", std::move(to)}, {"Cache-Control", "no-store"}, {"Referrer-Policy", "same-origin"}};
    return made;
}

response asset_answer(const request& what, const pages::asset& from) {
    response made;
    made.headers = {{"Content-Type", std::string(from.type)},
                    {"Cache-Control", "public, max-age=31536000, immutable"},
                    {"X-Content-Type-Options", "nosniff"},
                    {"Cross-Origin-Resource-Policy", "same-origin"},
                    {"Vary", "Accept-Encoding"}};
    const auto accepted = field_of(what, "accept-encoding");
    std::string_view body = from.plain, coding;
    if (accepts_coding(accepted, "gzip")) body = from.gzip, coding = "gzip";
    if (!from.brotli.empty() && accepts_coding(accepted, "br")) body = from.brotli, coding = "br";
    if (!coding.empty()) made.headers.emplace_back("Content-Encoding", coding);
    made.body = body;
    return made;
}

std::optional<response> refuse_method(const request& what, std::string_view allowed) {
    for (std::string_view rest = allowed; !rest.empty();) {
        const auto end = std::min(rest.find(", "), rest.size());
        if (rest.substr(0, end) == what.method) return std::nullopt;
        rest.remove_prefix(std::min(end + 2, rest.size()));
    }
    response made = problem(405, "This page answers " + std::string(allowed) + '.');
    made.headers.emplace_back("Allow", allowed);
    return made;
}

// The query without its token, and the token: what the page's address is to be, and who asks.
struct split_query {
    std::string others;
    std::optional<std::string> token;
};
split_query take_token(std::string_view text) {
    constexpr std::array<std::string_view, 1> known{"token"};
    split_query split;
    while (!text.empty()) {
        const auto end = std::min(text.find('&'), text.size());
        const auto piece = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        if (!piece.starts_with("token=")) {
            split.others.append(split.others.empty() ? "" : "&").append(piece);
            continue;
        }
        const auto parsed = query::parse(piece, known);
        const auto* good = std::get_if<query>(&parsed);
        split.token = good != nullptr ? std::string(good->get("token").value_or("")) : "";
    }
    return split;
}

// Of a form as a browser or a script fills it in: other fields are none of ours. "" = absent, empty or malformed.
std::string form_field(std::string_view form, std::string_view name) {
    const std::array known{name};
    while (!form.empty()) {
        const auto piece = form.substr(0, form.find('&'));
        form.remove_prefix(std::min(piece.size() + 1, form.size()));
        if (piece.substr(0, piece.find('=')) != name) continue;
        const auto parsed = query::parse(piece, known);
        const auto* good = std::get_if<query>(&parsed);
        return good != nullptr ? std::string(good->get(name).value_or("")) : std::string();
    }
    return {};
}

// "?days=7", or nothing. What stands in a target is fit for a field.
std::string query_in(std::string_view target) {
    const auto mark = target.find('?');
    return mark == std::string_view::npos ? std::string() : std::string(target.substr(mark));
}

}  // namespace

bool owns_page(const conf::admin_settings& settings, std::string_view target) {
    const auto rest = below(settings, path_of(target));
    return rest && (rest->empty() || *rest == monitoring_path || *rest == login_path || *rest == logout_path ||
                    asset_at(*rest) != nullptr);
}

dashboard::dashboard(const conf::settings& settings, authenticator& door)
    : settings_(settings), door_(door), overview_(make_page("overview")), monitoring_(make_page("monitoring")) {}

dashboard::page dashboard::make_page(std::string_view name) const {
    page made;
    made.plain = fill(pages::form(name), {}, {});
    made.gzip = gzipped(made.plain);
    return made;
}

// A form's {{names}} are replaced; what they stand for is escaped.
std::string dashboard::fill(std::string_view form, std::string_view message, std::string_view action) const {
    const std::map<std::string_view, std::string> values{
        {"ui", settings_.admin.ui_path},
        {"api", settings_.admin.path},
        {"proxy", proxy_origin(settings_)},
        {"method", settings_.track.methods.empty() ? "POST" : settings_.track.methods.front()},
        {"path", tracked_path(settings_.track)},
        {"message", std::string(message)},
        {"page", std::string(action)}};
    std::string out;
    while (!form.empty()) {
        const auto open = std::min(form.find("{{"), form.size());
        out += form.substr(0, open);
        form.remove_prefix(open);
        const auto close = form.find("}}");
        if (close == std::string_view::npos) break;
        if (const auto found = values.find(form.substr(2, close - 2)); found != values.end())
            out += escaped(found->second);
        form.remove_prefix(close + 2);
    }
    return out.append(form);
}

std::optional<response> dashboard::handle(const request& what) {
    const auto path = path_of(what.target), query = query_of(what.target);
    const auto rest = below(settings_.admin, path);
    if (!rest || !owns_page(settings_.admin, what.target)) return std::nullopt;
    if (*rest == login_path) {
        if (auto refused = refuse_method(what, "GET, HEAD, POST")) return refused;
        return what.method == "POST" ? log_in(what) : redirect(settings_.admin.ui_path);
    }
    if (*rest == logout_path) {
        if (auto refused = refuse_method(what, "POST")) return refused;
        return log_out(what);
    }
    if (auto refused = refuse_method(what, "GET, HEAD")) return refused;
    if (const auto* asset = asset_at(*rest)) return asset_answer(what, *asset);
    return show(what, path, query, *rest == monitoring_path ? monitoring_ : overview_);
}

response dashboard::show(const request& what, std::string_view path, std::string_view query, const page& shown) {
    const auto asked = take_token(query);
    if (asked.token) {
        return enter(what, *asked.token, std::string(path) + (asked.others.empty() ? "" : "?" + asked.others));
    }
    if (door_.check(what).is != authenticator::verdict::passed) return ask_to_log_in(what, what.target, 401, {});
    const bool small = accepts_coding(field_of(what, "accept-encoding"), "gzip");
    response made = html(200, small ? shown.gzip : shown.plain);
    if (small) made.headers.emplace_back("Content-Encoding", "gzip");
    made.headers.emplace_back("Vary", "Accept-Encoding, Cookie");
    return made;
}

// Opens a session for a good token and sends the browser on to `to`, a page and its query; else the login that leads
// there.
response dashboard::enter(const request& what, std::string_view token, std::string to) {
    const auto verdict =
        token.empty() ? authenticator::result{authenticator::verdict::missing} : door_.check_token(token, what.peer);
    if (verdict.is == authenticator::verdict::throttled) {
        response made = ask_to_log_in(what, to, 429, "Too many wrong tokens from this address. Wait a minute.");
        made.headers.emplace_back("Retry-After", std::to_string(verdict.retry_after.count()));
        return made;
    }
    if (verdict.is != authenticator::verdict::passed) {
        return ask_to_log_in(what, to, 401, token.empty() ? "Enter the token." : "This is not the token.");
    }
    const std::string session = door_.open_session(token);
    if (session.empty()) return problem(500, "The system gave no random bytes for a session.");
    response made = redirect(std::move(to));
    for (auto& line : set_cookie_lines(settings_.admin, session, door_.session_length(), is_secure(what)))
        made.headers.emplace_back("Set-Cookie", std::move(line));
    return made;
}

// A browser that follows a link from another site keeps a SameSite=Strict cookie to itself: it is told to ask once
// more, which comes from this page then, so that somebody who is logged in does not meet the login.
response dashboard::ask_to_log_in(const request& what, std::string_view to, int status,
                                  std::string_view message) const {
    const auto path = path_of(to);
    const bool monitoring = path == settings_.admin.ui_path + std::string(monitoring_path);
    const std::string page(monitoring ? monitoring_path.substr(1) : "overview");
    response made = html(status, fill(pages::form("login"), message, page + std::string(to.substr(path.size()))));
    made.headers.emplace_back("WWW-Authenticate", R"(Bearer realm="aimeter")");
    const auto site = field_of(what, "sec-fetch-site");
    if (what.method == "GET" && message.empty() && (site == "cross-site" || site == "same-site"))
        made.headers.emplace_back("Refresh", "0;url=" + std::string(path) + query_in(what.target));
    return made;
}

response dashboard::log_in(const request& what) {
    const bool browser = !field_of(what, "origin").empty() || !field_of(what, "sec-fetch-site").empty();
    if (browser && !comes_from_own_page(what)) return problem(403, "The login form is on the dashboard's own page.");
    const std::string token = form_field(what.body, "token");
    const std::string page = form_field(what.body, "page");
    const bool monitoring = path_of(page) == monitoring_path.substr(1);
    std::string to = settings_.admin.ui_path + std::string(monitoring ? monitoring_path : "");
    // What was looked for before the login. Whoever made up a form has what is no query dropped.
    const std::string_view query = std::string_view(page).substr(path_of(page).size());
    if (std::all_of(query.begin(), query.end(), [](char c) { return c > ' ' && c < 0x7f; })) to += query;
    return enter(what, token, std::move(to));
}

response dashboard::log_out(const request& what) {
    if (!comes_from_own_page(what)) return problem(403, "Log out from the dashboard's own page.");
    door_.close_session(what);
    response made = redirect(settings_.admin.ui_path);
    for (auto& line : set_cookie_lines(settings_.admin, {}, {}, is_secure(what)))
        made.headers.emplace_back("Set-Cookie", std::move(line));
    return made;
}

// Behind a terminator that speaks https to the browser, the cookie is for https alone as well. Who makes the field up
// only restricts a cookie of their own.
bool dashboard::is_secure(const request& what) const {
    return !settings_.tls.cert.empty() || !settings_.tls.certificates.empty() ||
           field_of(what, "x-forwarded-proto") == "https";
}

}  // namespace admin
