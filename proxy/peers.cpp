#include "proxy/peers.hpp"

#include <algorithm>
#include <utility>

namespace proxy {

peer_list::peer_list(const tracking::time_source& clock, std::uint32_t seed, std::function<void(peer_change)> changed)
    : clock_(clock), random_(seed), changed_(std::move(changed)) {}

void peer_list::use(const conf::forward_settings& settings) {
    max_fails_ = settings.max_fails;
    first_back_off_ = settings.fail_timeout;
    longest_back_off_ = settings.max_fail_timeout;
    if (max_fails_ != 0) return;
    for (const auto& one : all_)
        if (one->left_out) bring_back(*one);
}

std::vector<idle_connection> peer_list::use(const upstream_addresses& addresses) {
    std::vector<std::unique_ptr<peer>> before = std::exchange(all_, {});
    for (const upstream_address& address : addresses.all) {
        const auto known = std::find_if(before.begin(), before.end(),
                                        [&](const auto& p) { return p && p->address.text == address.text; });
        if (known != before.end()) {
            all_.push_back(std::move(*known));
        } else {
            all_.push_back(std::make_unique<peer>(address));
        }
    }
    std::vector<idle_connection> left;
    for (auto& old : before) {
        if (!old) continue;
        old->gone = true;
        std::move(old->idle.begin(), old->idle.end(), std::back_inserter(left));
        old->idle.clear();
        if (old->under_way != 0) gone_.push_back(std::move(old));
    }
    sort_out();
    return left;
}

// ---- The choice -------------------------------------------------------------------------------------------------

bool peer_list::choose(peer_turn& turn) {
    if (turn.peer_ != nullptr || fit_.size() != all_.size() || all_.empty()) [[unlikely]]
        return choose_with_care(turn);
    assign(turn, *less_loaded_of_two());
    return true;
}

// Of the fit ones, of which there is at least one.
peer* peer_list::less_loaded_of_two() {
    if (fit_.size() == 1) return fit_.front();
    const std::size_t first = draw(fit_.size());
    const std::size_t second = (first + 1 + draw(fit_.size() - 1)) % fit_.size();
    return fit_[second]->under_way < fit_[first]->under_way ? fit_[second] : fit_[first];
}

bool peer_list::choose_with_care(peer_turn& turn) {
    peer* const before = turn.peer_;
    // Who has already waited for one peer tests no other.
    peer* to = before == nullptr ? due_for_test(clock_.steady()) : nullptr;
    if (to == nullptr && before == nullptr && !fit_.empty()) to = less_loaded_of_two();
    if (to == nullptr) to = any_other(turn, before);
    turn.leave();
    if (to != nullptr) assign(turn, *to);
    return to != nullptr;
}

// One request for each back-off.
peer* peer_list::due_for_test(steady_time now) const {
    for (const auto& one : all_)
        if (one->left_out && !one->tested && one->until <= now) return one.get();
    return nullptr;
}

// The least loaded of the fit ones that the turn has not tried, else the one that failed longest ago: while there are
// addresses, there is a peer.
peer* peer_list::any_other(const peer_turn& turn, const peer* avoided) const {
    peer* best = nullptr;
    const auto better = [&](const peer& a, const peer& b) {
        if (a.left_out != b.left_out) return b.left_out;
        if ((&a == avoided) != (&b == avoided)) return &b == avoided;
        return a.left_out ? a.last_failed < b.last_failed : a.under_way < b.under_way;
    };
    for (const auto& one : all_) {
        const auto& failed = turn.failed_;
        if (std::find(failed.begin(), failed.end(), one.get()) != failed.end()) continue;
        if (best == nullptr || better(*one, *best)) best = one.get();
    }
    return best;
}

void peer_list::assign(peer_turn& turn, peer& to) noexcept {
    turn.list_ = this;
    turn.peer_ = &to;
    turn.era_ = to.era;
    turn.test_ = to.left_out && !to.tested && to.until <= clock_.steady();
    if (turn.test_) to.tested = true;
    ++to.under_way;
    ++to.requests;
}

void peer_turn::leave() noexcept {
    if (peer_ != nullptr) list_->ended(*this);
    peer_ = nullptr;
    test_ = false;
}

void peer_list::ended(peer_turn& turn) noexcept {
    peer& at = *turn.peer_;
    if (turn.test_ && turn.era_ == at.era) at.tested = false;  // without a verdict: the next one may be
    --at.under_way;
    if (at.gone && at.under_way == 0) std::erase_if(gone_, [&](const auto& one) { return one.get() == &at; });
}

// ---- Health -----------------------------------------------------------------------------------------------------

void peer_list::connected(peer_turn& turn) {
    peer& at = *turn.peer_;
    if (!at.left_out || at.must_answer || turn.era_ != at.era) return;
    bring_back(at);
    turn.era_ = at.era;
}

void peer_list::note_answer(peer_turn& turn) {
    peer& at = *turn.peer_;
    if (turn.era_ != at.era) return;
    at.unanswered = 0;
    if (at.left_out) bring_back(at);
}

void peer_list::connect_failed(peer_turn& turn, const std::string& problem) {
    not_connected(turn);
    ++turn.peer_->failures;
    note_failure(turn, false, problem);
}

void peer_list::unanswered(peer_turn& turn, const std::string& problem) {
    peer& at = *turn.peer_;
    ++at.failures;
    if (turn.era_ != at.era) return;
    ++at.unanswered;
    if (at.left_out || at.unanswered >= max_fails_) note_failure(turn, true, problem);
}

void peer_list::note_failure(peer_turn& turn, bool must_answer, const std::string& problem) {
    peer& at = *turn.peer_;
    if (max_fails_ == 0 || at.gone || turn.era_ != at.era) return;
    const bool was_left_out = at.left_out;
    if (was_left_out && !turn.test_) {
        at.last_failed = clock_.steady();
        return;
    }
    leave_out(at, must_answer);
    if (!was_left_out) changed_({at.address.text, problem});
}

void peer_list::leave_out(peer& who, bool must_answer) {
    const auto now = clock_.steady();
    auto back_off = std::chrono::microseconds(first_back_off_);
    for (std::uint32_t i = 0; i < who.times && back_off < longest_back_off_; ++i) back_off *= 2;
    back_off = std::min<std::chrono::microseconds>(back_off, longest_back_off_);
    constexpr std::size_t parts = 1000;
    back_off -= back_off * draw(parts) / (4 * parts);  // up to a quarter, so that workers do not test all at once
    ++who.times;
    ++who.era;
    who.left_out = true;
    who.must_answer = must_answer;
    who.tested = false;
    who.unanswered = 0;
    who.until = now + back_off;
    who.last_failed = now;
    sort_out();
}

void peer_list::bring_back(peer& who) {
    ++who.era;
    who.left_out = who.tested = false;
    who.times = who.unanswered = 0;
    sort_out();
    changed_({who.address.text, std::nullopt});
}

void peer_list::sort_out() {
    fit_.clear();
    for (const auto& one : all_)
        if (!one->left_out) fit_.push_back(one.get());
}

}  // namespace proxy
