#include "tracking/store/sentinels.hpp"

#include <algorithm>

#include "tracking/store/reply_numbers.hpp"

namespace tracking::store {

namespace net = boost::asio;
using std::chrono::milliseconds;

sentinels::sentinels(const net::any_io_executor& executor, const redis_url& url, const conf::redis_tls& trust)
    : master_(url.master), text_(url.text) {
    for (const auto& where : url.servers) {
        all_.push_back({.server = {.host = where.host,
                                   .port = where.port,
                                   .unix_path = {},
                                   .tls = url.tls,
                                   .user = url.sentinel_user,
                                   .password = url.sentinel_password,
                                   .text = "sentinel " + where.host + ":" + std::to_string(where.port)},
                        .connection = std::make_shared<redis_connection>(executor, trust)});
    }
}

void sentinels::close() {
    for (auto& each : all_) each.connection->close();
}

net::awaitable<std::variant<master_address, redis_error>> sentinels::ask(one& whom, milliseconds deadline) {
    const auto connection = whom.connection;  // stays while it is used, whoever ends meanwhile
    const std::string name = whom.server.text;
    if (!connection->ready()) {
        auto opened = co_await connection->open(whom.server, deadline);
        if (auto* error = std::get_if<redis_error>(&opened)) co_return std::move(*error);
    }
    const std::vector<command> question{{"SENTINEL", "GET-MASTER-ADDR-BY-NAME", master_}};
    auto answered = co_await connection->exchange(question, deadline);
    if (auto* error = std::get_if<redis_error>(&answered)) co_return std::move(*error);
    const reply& answer = std::get<std::vector<reply>>(answered).front();
    if (answer.is_error()) co_return redis_error{name + ": " + answer.text};
    const auto port = answer.elements.size() == 2 ? number_in(answer.elements[1].text) : 0;
    if (port < 1 || port > 65'535) co_return redis_error{name + ": knows no master of this name"};
    co_return master_address{answer.elements[0].text, static_cast<std::uint16_t>(port)};
}

// Until a majority agrees. One that hangs leaves the others their parts of the time.
net::awaitable<sentinels::votes> sentinels::poll(milliseconds deadline) {
    votes found;
    const auto part = std::max(milliseconds{50}, deadline / static_cast<int>(all_.size()));
    for (auto& each : all_) {
        auto answer = co_await ask(each, part);
        if (const auto* error = std::get_if<redis_error>(&answer)) {
            found.problems += (found.problems.empty() ? "" : "; ") + error->what;
        } else if (majority(++found.of[std::get<master_address>(answer)])) {
            break;
        }
    }
    co_return found;
}

net::awaitable<std::variant<master_address, redis_error>> sentinels::find_master(milliseconds deadline) {
    const auto found = co_await poll(deadline);
    if (found.of.empty()) co_return redis_error{text_ + ": no sentinel names a master: " + found.problems};
    co_return std::max_element(found.of.begin(), found.of.end(), [](const auto& a, const auto& b) {
        return a.second < b.second;
    })->first;
}

net::awaitable<bool> sentinels::agree_on_another(master_address than, milliseconds deadline) {
    const auto found = co_await poll(deadline);
    co_return std::any_of(found.of.begin(), found.of.end(),
                          [&](const auto& vote) { return majority(vote.second) && vote.first != than; });
}

}  // namespace tracking::store
