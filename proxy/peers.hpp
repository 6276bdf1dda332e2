// The upstream's peers as one worker sees them: which of them a request goes to, and which are left out for a while
// because they failed. The less loaded of two drawn at random is chosen ("power of two choices", Mitzenmacher 1996): as
// good as the least loaded of all, without all workers rushing to the same one. Opens no connection; the pool does, and
// says here what came of it. One per worker, on its thread; each worker finds out for itself.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "conf/config.hpp"
#include "proxy/stream.hpp"
#include "proxy/upstream_addresses.hpp"
#include "tracking/clock.hpp"

namespace proxy {

// A connection that waits for its next request.
struct idle_connection {
    std::shared_ptr<stream> connection;
    steady_time since;  // the begin of the turn in which it became idle
    steady_time until;  // then it is closed
};

// One address. `idle` is the pool's; the rest is peer_list's.
struct peer {
    explicit peer(upstream_address where) : address(std::move(where)) {}

    const upstream_address address;
    std::vector<idle_connection> idle;  // last used last

    std::uint32_t under_way = 0;   // requests: its load
    std::uint64_t requests = 0;    // that were ever assigned to it
    std::uint64_t failures = 0;    // of them: not connected, through its fault, or not answered
    bool gone = false;             // no longer one of the upstream's; kept until its last request has ended
    std::uint32_t era = 0;         // how often it was left out or came back
    std::uint32_t unanswered = 0;  // requests in a row

    // While it is left out:
    bool left_out = false;
    bool must_answer = false;   // a connection alone does not bring it back
    bool tested = false;        // by a request under way
    std::uint32_t times = 0;    // in a row
    steady_time until{};        // then a request may test it
    steady_time last_failed{};  // also by a request that had no other choice
};

// What a worker tells control when it begins or ceases to leave a peer out.
struct peer_change {
    std::string address;                 // upstream_address::text
    std::optional<std::string> problem;  // nullopt = it is back
};

class peer_list;

// A request's turn: at which peer it is, whose load it counts as, and which peers it could not connect to. Ends with
// the request, before the list.
class peer_turn {
public:
    peer_turn() = default;
    ~peer_turn() { leave(); }
    peer_turn(const peer_turn&) = delete;
    peer_turn& operator=(const peer_turn&) = delete;

    peer& at() const noexcept { return *peer_; }
    // Whether it finds out if a peer that was left out is back. It then needs a new connection.
    bool is_test() const noexcept { return test_; }
    bool is_first() const noexcept { return failed_.empty(); }

    steady_time until{};  // the pool's: when it has looked for a peer long enough

private:
    friend class peer_list;
    void leave() noexcept;

    peer_list* list_ = nullptr;
    peer* peer_ = nullptr;
    std::uint32_t era_ = 0;  // of the peer when it was chosen: news from before it was left out is no news
    bool test_ = false;
    std::vector<const peer*> failed_;  // compared only, never followed: they may be gone
};

class peer_list {
public:
    // `changed` is called within the calls below. `seed` decides all that is random.
    peer_list(const tracking::time_source& clock, std::uint32_t seed, std::function<void(peer_change)> changed);

    void use(const conf::forward_settings& settings);
    // Peers that stay keep their connections, load and health. Returns the idle connections of those that are gone.
    std::vector<idle_connection> use(const upstream_addresses& addresses);

    // Gives the turn a peer, or another one after the turn's connect_failed(). A second choice for other reasons avoids
    // the peer of the first when it can. False = there is none that it has not tried.
    bool choose(peer_turn& turn);

    // What became of the turn at its peer:
    void connected(peer_turn& turn);
    void connect_failed(peer_turn& turn, const std::string& problem);            // refused, timed out, no TLS
    void not_connected(peer_turn& turn) { turn.failed_.push_back(turn.peer_); }  // which was not the peer's fault
    void answered(peer_turn& turn) {
        if (turn.peer_->left_out || turn.peer_->unanswered != 0) [[unlikely]]
            note_answer(turn);
    }
    void unanswered(peer_turn& turn, const std::string& problem);  // ended, reset or silent before an answer

    template <class Visit>
    void for_each(Visit visit) {
        for (const auto& one : all_) visit(*one);
    }
    template <class Visit>
    void for_each(Visit visit) const {
        for (const auto& one : all_) visit(std::as_const(*one));
    }

private:
    friend class peer_turn;
    std::size_t draw(std::size_t below) { return random_() % below; }
    peer* less_loaded_of_two();
    peer* due_for_test(steady_time now) const;
    peer* any_other(const peer_turn& turn, const peer* avoided) const;
    bool choose_with_care(peer_turn& turn);
    void assign(peer_turn& turn, peer& to) noexcept;
    void ended(peer_turn& turn) noexcept;
    void note_answer(peer_turn& turn);
    void note_failure(peer_turn& turn, bool must_answer, const std::string& problem);
    void leave_out(peer& who, bool must_answer);
    void bring_back(peer& who);
    void sort_out();

    const tracking::time_source& clock_;
    std::minstd_rand random_;
    std::function<void(peer_change)> changed_;
    std::uint32_t max_fails_ = 1;
    std::chrono::milliseconds first_back_off_{}, longest_back_off_{};
    std::vector<std::unique_ptr<peer>> all_;
    std::vector<std::unique_ptr<peer>> gone_;  // with requests still under way
    std::vector<peer*> fit_;                   // those of `all_` that are not left out
};

}  // namespace proxy
