// Keeps the keys of identity.jwt.jwks_url fresh: asks for them in the background, again when they are stale or when a
// token names one that is not known, and hands on what is new. The last good set outlives the process in a file, so
// that a restart while the issuer is away still verifies. A failure never takes keys away. Control's thread only.
#pragma once

#include <atomic>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <variant>

#include "proxy/jwks_fetcher.hpp"
#include "tracking/request/jwks.hpp"

namespace proxy {

class jwks_refresher {
public:
    // `changed` is called when keys() has become another set, but not from within follow(). The refresher must outlive
    // the executor's last run.
    jwks_refresher(boost::asio::any_io_executor executor, std::string kept_file, std::function<void()> changed);

    // The keys are those of this URL from now on ("" = none), and are asked for at once. Those of another URL are
    // dropped; the ones that were kept of this URL are there when it returns.
    void follow(const std::string& url, const std::string& ca_file);
    void stop() noexcept { ++round_; }

    // Null until there are some.
    const std::shared_ptr<const tracking::key_set>& keys() const noexcept { return keys_; }
    // Any thread sets it when a token names a key that keys() does not hold. An atomic and no message, because a worker
    // meets such tokens on a request's way.
    const std::shared_ptr<std::atomic<bool>>& wanted() const noexcept { return wanted_; }

private:
    boost::asio::awaitable<void> run(std::uint64_t round);
    std::chrono::milliseconds judge(const std::variant<jwks_answer, std::string>& answer);
    std::string take(const std::string& body);
    void read_kept();
    void keep() const;
    void report(const std::string& problem, bool fresh);
    std::chrono::milliseconds shortened(std::chrono::milliseconds most);

    boost::asio::any_io_executor executor_;
    std::string kept_file_;
    std::function<void()> changed_;
    std::shared_ptr<std::atomic<bool>> wanted_ = std::make_shared<std::atomic<bool>>(false);
    std::string url_, shown_url_;  // shown without its query, which may hold a secret
    std::string ca_file_;
    std::shared_ptr<const tracking::key_set> keys_;
    std::string keys_text_;               // the same as JSON, to see whether they changed
    std::optional<std::string> problem_;  // of the last time; "" = it went well, nullopt = not asked yet
    std::uint32_t failures_ = 0;          // in a row
    std::uint64_t round_ = 0;             // of follow(); a coroutine of an earlier one ends
    std::minstd_rand random_;
};

// How long an answer with this Cache-Control (RFC 9111, 5.2.2) is used: its max-age within 5 minutes and a day, an hour
// when it says none.
std::chrono::seconds jwks_lifetime(std::string_view cache_control) noexcept;

}  // namespace proxy
