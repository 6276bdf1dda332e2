#include "tracking/store/cluster_nodes.hpp"

#include <algorithm>
#include <charconv>

namespace tracking::store {

namespace net = boost::asio;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

namespace {

constexpr std::uint16_t slots = 16'384;
constexpr std::size_t nodes_most = 64;  // that are remembered

std::optional<node_address> address_in(std::string_view text, const node_address& from) {
    const auto colon = text.rfind(':');
    if (colon == std::string_view::npos) return std::nullopt;
    node_address made{std::string(text.substr(0, colon)), 0};
    const auto port = text.substr(colon + 1);
    const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), made.port);
    if (error != std::errc{} || end != port.data() + port.size() || made.port == 0) return std::nullopt;
    if (made.host.empty() || made.host == "?") made.host = from.host;
    return made;
}

}  // namespace

std::uint16_t slot_of_text(std::string_view text) {
    unsigned crc = 0;
    for (const char c : text) {
        crc ^= static_cast<unsigned>(static_cast<unsigned char>(c)) << 8;
        for (int bit = 0; bit < 8; ++bit) crc = (crc & 0x8000U) != 0 ? (crc << 1) ^ 0x1021U : crc << 1;
        crc &= 0xffffU;
    }
    return static_cast<std::uint16_t>(crc % slots);
}

std::uint16_t slot_of(std::string_view key) {
    const auto open = key.find('{');
    const auto close = open == std::string_view::npos ? open : key.find('}', open);
    if (close == std::string_view::npos || close == open + 1) return slot_of_text(key);
    return slot_of_text(key.substr(open + 1, close - open - 1));
}

std::optional<redirection> redirection_of(const reply& answer, const node_address& from) {
    if (!answer.is_error()) return std::nullopt;
    const bool ask = answer.text.starts_with("ASK ");
    if (!ask && !answer.text.starts_with("MOVED ")) return std::nullopt;
    const auto to = address_in(std::string_view(answer.text).substr(answer.text.rfind(' ') + 1), from);
    if (!to) return std::nullopt;
    return redirection{ask, *to};
}

bool is_passing(const reply& answer) {
    return answer.is_error() && (answer.text.starts_with("TRYAGAIN") || answer.text.starts_with("CLUSTERDOWN") ||
                                 answer.text.starts_with("LOADING") || answer.text.starts_with("MASTERDOWN"));
}

cluster_nodes::cluster_nodes(const net::any_io_executor& executor, redis_url url, conf::redis_tls trust)
    : executor_(executor), url_(std::move(url)), trust_(std::move(trust)) {
    for (const auto& one : url_.servers) known_.push_back({one.host, one.port});
}

redis_server cluster_nodes::server(const node_address& at) const {
    return {.host = at.host,
            .port = at.port,
            .unix_path = {},
            .tls = url_.tls,
            .user = url_.user,
            .password = url_.password,
            .text = url_.text + " (" + at.text() + ")"};
}

std::shared_ptr<redis_connection> cluster_nodes::make_connection() const {
    return std::make_shared<redis_connection>(executor_, trust_);
}

// Ranges of slots, each with its master and then its replicas; all of them may be asked the next time.
std::optional<node_address> cluster_nodes::read_slots(const reply& ranges, std::uint16_t wanted,
                                                      const node_address& asked) {
    std::optional<node_address> found;
    std::vector<node_address> fresh{asked};
    for (const auto& range : ranges.elements) {
        const auto& parts = range.elements;
        for (std::size_t i = 2; i < parts.size(); ++i) {
            if (parts[i].elements.size() < 2) continue;
            const auto port = parts[i].elements[1].integer;
            if (port < 1 || port > 65'535) continue;
            node_address at{parts[i].elements[0].text, static_cast<std::uint16_t>(port)};
            if (at.host.empty() || at.host == "?") at.host = asked.host;
            if (i == 2 && parts[0].integer <= wanted && wanted <= parts[1].integer) found = at;
            if (std::find(fresh.begin(), fresh.end(), at) == fresh.end() && fresh.size() < nodes_most)
                fresh.push_back(std::move(at));
        }
    }
    for (const auto& one : url_.servers) {
        const node_address at{one.host, one.port};
        if (std::find(fresh.begin(), fresh.end(), at) == fresh.end()) fresh.push_back(at);
    }
    known_ = std::move(fresh);
    return found;
}

// Whoever did not answer is asked after the others the next time, whose turn may not have come within the deadline.
void cluster_nodes::ask_later(const node_address& silent) {
    const auto at = std::find(known_.begin(), known_.end(), silent);
    if (at != known_.end()) std::rotate(at, at + 1, known_.end());
}

// A node that is cut off from the others may go on naming itself: one that says that the cluster is well is believed
// first (cluster_state of CLUSTER INFO), any other only when none says so.
net::awaitable<std::variant<node_address, redis_error>> cluster_nodes::master_of(std::uint16_t slot,
                                                                                 milliseconds deadline) {
    const auto end = steady_clock::now() + deadline;
    const auto part = std::max(milliseconds{100}, deadline / 4);
    const std::vector<command> question{{"CLUSTER", "SLOTS"}, {"CLUSTER", "INFO"}};
    std::string problems;
    const auto note = [&problems](const std::string& what) { problems += (problems.empty() ? "" : "; ") + what; };
    std::optional<node_address> doubtful;
    const auto candidates = known_;  // it changes with the first answer
    for (const auto& one : candidates) {
        const auto left = std::chrono::ceil<milliseconds>(end - steady_clock::now());
        if (left <= milliseconds{0}) break;
        const auto connection = make_connection();
        auto opened = co_await connection->open(server(one), std::min(left, part));
        if (const auto* error = std::get_if<redis_error>(&opened)) {
            note(error->what);
            ask_later(one);
            continue;
        }
        auto answered = co_await connection->exchange(question, std::min(left, part));
        connection->close();
        if (const auto* error = std::get_if<redis_error>(&answered)) {
            note(error->what);
            ask_later(one);
            continue;
        }
        const reply& ranges = std::get<std::vector<reply>>(answered).front();
        const reply& info = std::get<std::vector<reply>>(answered).back();
        if (ranges.is_error()) {
            note(server(one).text + ": " + ranges.text);
            continue;
        }
        auto found = read_slots(ranges, slot, one);
        if (!found) {
            note(server(one).text + ": slot " + std::to_string(slot) + " has no master");
            continue;
        }
        if (info.is_error() || info.text.find("cluster_state:fail") == std::string::npos) co_return std::move(*found);
        if (!doubtful) doubtful = std::move(found);
    }
    if (doubtful) co_return std::move(*doubtful);
    co_return redis_error{problems.empty() ? url_.text + ": no node answered in time" : problems};
}

}  // namespace tracking::store
