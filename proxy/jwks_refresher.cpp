#include "proxy/jwks_refresher.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <charconv>
#include <nlohmann/json.hpp>
#include <system_error>
#include <utility>

#include "proxy/log_thrown.hpp"
#include "tracking/clock.hpp"
#include "tracking/kept_file.hpp"
#include "tracking/request/head_view.hpp"
#include "tracking/request/label.hpp"

namespace proxy {
namespace {

namespace net = boost::asio;
using json = nlohmann::json;
using std::chrono::milliseconds;
using std::chrono::steady_clock;
using namespace std::chrono_literals;
constexpr auto as_result = net::as_tuple(net::use_awaitable);

constexpr std::chrono::seconds lifetime_least = 5min, lifetime_most = 24h, lifetime_unsaid = 1h;
constexpr milliseconds first_retry = 1s, slowest_retry = 60s;
constexpr auto wanted_interval = 30s;  // whoever invents key names makes us ask no more often than this
constexpr auto look_interval = 100ms;  // how soon a wanted key is noticed
constexpr std::size_t kept_bytes_max = 4 * 1024 * 1024;  // what 1 MiB may become with every byte escaped, roughly
constexpr std::size_t problem_bytes_max = 300;

std::string text_of(const json& document) { return document.dump(-1, ' ', false, json::error_handler_t::replace); }

bool is_plain_and_far(const conf::web_url& url) {
    const std::string& host = url.server.host;
    return !url.server.tls && host != "localhost" && host != "::1" && !host.starts_with("127.");
}

}  // namespace

std::chrono::seconds jwks_lifetime(std::string_view cache_control) noexcept {
    constexpr std::string_view name = "max-age=";
    while (!cache_control.empty()) {
        const std::size_t end = std::min(cache_control.find(','), cache_control.size());
        std::string_view directive = cache_control.substr(0, end);
        cache_control.remove_prefix(std::min(end + 1, cache_control.size()));
        directive.remove_prefix(std::min(directive.find_first_not_of(" \t"), directive.size()));
        if (!tracking::equals_ignoring_case(directive.substr(0, name.size()), name)) continue;
        directive.remove_prefix(name.size());
        std::uint32_t age = 0;
        const auto [rest, error] = std::from_chars(directive.data(), directive.data() + directive.size(), age);
        if (error == std::errc::result_out_of_range) return lifetime_most;
        if (error == std::errc()) return std::clamp(std::chrono::seconds(age), lifetime_least, lifetime_most);
    }
    return lifetime_unsaid;
}

jwks_refresher::jwks_refresher(net::any_io_executor executor, std::string kept_file, std::function<void()> changed)
    : executor_(std::move(executor)),
      kept_file_(std::move(kept_file)),
      changed_(std::move(changed)),
      random_(std::random_device{}()) {}

void jwks_refresher::follow(const std::string& url, const std::string& ca_file) {
    const std::uint64_t round = ++round_;
    ca_file_ = ca_file;
    failures_ = 0;
    if (url != url_) {
        url_ = url;
        shown_url_ = url.substr(0, url.find('?'));
        keys_.reset();
        keys_text_.clear();
        problem_.reset();
        if (!url_.empty()) read_kept();
    }
    if (!url_.empty()) net::co_spawn(executor_, run(round), log_if_thrown{"identity: keys are no longer refreshed"});
}

net::awaitable<void> jwks_refresher::run(std::uint64_t round) {
    auto read = conf::parse_web_url(url_);
    if (!std::holds_alternative<conf::web_url>(read)) co_return;  // the configuration is checked for that
    const jwks_question question{std::get<conf::web_url>(std::move(read)), ca_file_};
    if (is_plain_and_far(question.from))
        spdlog::warn("identity: {} is not https: whoever is on the way there can say whose tokens are good",
                     shown_url_);
    net::steady_timer pause(executor_);
    auto due = steady_clock::now();
    auto wanted_due = due;
    while (round == round_) {
        const auto now = steady_clock::now();
        const bool asked_for = wanted_->load(std::memory_order_relaxed) && now >= wanted_due;
        if (now < due && !asked_for) {
            pause.expires_at(tracking::next_look(now, look_interval));
            co_await pause.async_wait(as_result);
            continue;
        }
        if (asked_for) wanted_due = now + wanted_interval;
        wanted_->store(false, std::memory_order_relaxed);
        const auto answer = co_await fetch_jwks(question);
        if (round != round_) co_return;
        due = steady_clock::now() + judge(answer);
    }
}

// How long until the next time.
milliseconds jwks_refresher::judge(const std::variant<jwks_answer, std::string>& answer) {
    const auto* got = std::get_if<jwks_answer>(&answer);
    const std::string before = keys_text_;
    const std::string problem = got != nullptr ? take(got->body) : std::get<std::string>(answer);
    const bool fresh = keys_text_ != before;
    report(problem, fresh);
    if (fresh) {
        keep();
        changed_();
    }
    if (problem.empty()) {
        failures_ = 0;
        return shortened(jwks_lifetime(got->cache_control));
    }
    const std::uint32_t doublings = std::min<std::uint32_t>(failures_++, 6);
    return shortened(std::min<milliseconds>(first_retry * (1U << doublings), slowest_retry));
}

// The result is an error, or empty.
std::string jwks_refresher::take(const std::string& body) {
    auto parsed = tracking::key_set::parse(body);
    if (auto* problem = std::get_if<std::string>(&parsed)) return std::move(*problem);
    std::string text = text_of(json::parse(body, nullptr, false)["keys"]);
    if (text == keys_text_ && keys_) return {};
    keys_text_ = std::move(text);
    keys_ = std::make_shared<const tracking::key_set>(std::get<tracking::key_set>(std::move(parsed)));
    for (const std::string& unusable : keys_->unusable())
        spdlog::warn("identity: of {}, {}; it is passed over", shown_url_,
                     tracking::clean_label(unusable, problem_bytes_max));
    return {};
}

// The file is a key set itself, with the URL beside the keys: those of another issuer prove nothing.
void jwks_refresher::read_kept() {
    const auto text = tracking::read_kept_file(kept_file_, kept_bytes_max);
    if (!text) return;
    const json document = json::parse(*text, nullptr, false);
    if (!document.is_object() || document.value("url", json()) != url_) return;
    if (const std::string problem = take(*text); !problem.empty())
        spdlog::warn("identity: {}: {}", kept_file_, tracking::clean_label(problem, problem_bytes_max));
}

void jwks_refresher::keep() const {
    const json document{{"url", url_}, {"keys", json::parse(keys_text_, nullptr, false)}};
    const std::string problem = tracking::write_kept_file(kept_file_, text_of(document));
    if (!problem.empty()) spdlog::warn("identity: the keys do not outlive a restart: {}", problem);
}

// One line for each change of how it stands.
void jwks_refresher::report(const std::string& problem, bool fresh) {
    if (problem.empty()) {
        if (fresh || !problem_)
            spdlog::info("identity: {} keys from {}", keys_->size(), shown_url_);
        else if (!problem_->empty())
            spdlog::info("identity: {} answers again; its keys are the same", shown_url_);
    } else if (problem != problem_) {
        spdlog::warn("identity: no keys from {}: {}; {}", shown_url_, tracking::clean_label(problem, problem_bytes_max),
                     keys_ ? "the last good ones stay in use" : "tokens are not verified until there are some");
    }
    problem_ = problem;
}

// Up to a tenth earlier, so that many instances do not ask at the same moment.
milliseconds jwks_refresher::shortened(milliseconds most) {
    return most - most * std::uniform_int_distribution<int>(0, 100)(random_) / 1000;
}

}  // namespace proxy
