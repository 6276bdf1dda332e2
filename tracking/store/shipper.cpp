#include "tracking/store/shipper.hpp"

#include <openssl/evp.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <charconv>
#include <map>
#include <set>
#include <utility>

#include "tracking/store/batch_size.hpp"
#include "tracking/store/data_set.hpp"
#include "tracking/store/journal_upkeep.hpp"
#include "tracking/store/lane.hpp"
#include "tracking/store/reply_numbers.hpp"
#include "tracking/store/scripts.hpp"

namespace tracking::store {

namespace net = boost::asio;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

namespace {

constexpr auto as_result = net::as_tuple(net::use_awaitable);

constexpr std::size_t ship_at_once = 1'000;  // records that wait for nothing
constexpr std::size_t batch_bytes_max = 4 * 1024 * 1024;
constexpr std::size_t turn_records = 250;  // that one journal brings before it is the next one's turn
constexpr milliseconds command_deadline{5'000};
constexpr milliseconds connect_deadline{2'000};
constexpr milliseconds pause_min{50}, pause_max{2'000};
constexpr milliseconds adoption_pause{500};
constexpr milliseconds inspection_pause{1'000};  // also while there is nothing to ship
constexpr std::size_t troubles_max = 20;

milliseconds longer(milliseconds pause) { return std::clamp(pause * 2, pause_min, pause_max); }

std::string sha1_hex(std::string_view text) {
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    EVP_Digest(text.data(), text.size(), digest, &size, EVP_sha1(), nullptr);
    std::string hex;
    for (unsigned i = 0; i < size; ++i) {
        hex += "0123456789abcdef"[digest[i] >> 4];
        hex += "0123456789abcdef"[digest[i] & 15];
    }
    return hex;
}

std::uint64_t sequence_in(std::string_view text) {
    std::uint64_t value = 0;
    std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
}

// From the begin of a batch, which its answer tells, to what TIME said behind it. 0 = not told.
std::int64_t microseconds_between(const reply& batch, const reply& time) {
    if (batch.elements.size() < 3 || batch.elements[0].text != "ok" || time.elements.size() != 2) return 0;
    return (number_in(time.elements[0].text) - number_in(batch.elements[1].text)) * 1'000'000 +
           number_in(time.elements[1].text) - number_in(batch.elements[2].text);
}

// Errors after which another connection may reach a Redis that can do what this one cannot.
bool wants_new_connection(std::string_view error) {
    static constexpr std::string_view those[] = {"READONLY", "NOAUTH",   "MASTERDOWN", "MOVED ",
                                                 "ASK ",     "TRYAGAIN", "CLUSTERDOWN"};
    return std::any_of(std::begin(those), std::end(those), [&](auto one) { return error.starts_with(one); });
}

}  // namespace

struct shipper::impl {
    explicit impl(parts with)
        : part(std::move(with)),
          keys(part.settings.redis.prefix),
          name(part.name.empty() ? "redis" : part.name),
          nap(part.executor),
          tick_timer(part.executor),
          flush_timer(part.executor),
          filling(keys, part.when),
          sending(keys, part.when) {}

    net::awaitable<void> ship();
    net::awaitable<void> tick();
    net::awaitable<bool> open_up();
    net::awaitable<bool> inspect();
    net::awaitable<bool> tell_losses();
    net::awaitable<bool> ask_positions();
    net::awaitable<std::optional<std::vector<std::uint64_t>>> read_positions(
        const std::vector<journal::journal_id>& ids);
    void take_positions(const std::vector<journal::journal_id>& ids, const std::vector<std::uint64_t>& positions);
    net::awaitable<bool> compare_positions();
    net::awaitable<bool> pass();
    net::awaitable<bool> send();
    net::awaitable<void> fill_meanwhile();
    net::awaitable<std::variant<reply, redis_error>> apply();
    net::awaitable<void> sleep(net::steady_timer& on, milliseconds pause);

    std::unique_ptr<lane> make_lane(const journal::journal_id& of) const;
    void fill();
    void fill_with_refused();
    void rewind();
    bool take_answer(const reply& answer);
    void refuse(const std::string& why);
    void lose_connection(const std::string& why);
    void tell(const std::string& state, bool good);
    void note_data_set(const data_set& found);
    void note_eviction(const std::string& policy);
    bool due() const;
    bool retry_due() const;
    bool any_refused() const;
    bool all_at_end() const;
    std::size_t batch_most() const;
    std::size_t room() const;

    parts part;
    key_names keys;
    std::string name;  // in log lines
    net::steady_timer nap, tick_timer, flush_timer;
    std::unique_ptr<redis_client> redis;
    bool ready = false;  // connected, agreed on the data set, positions known
    bool stopping = false, flushing = false;
    milliseconds pause{0};
    std::string address;                  // without credentials
    std::string redis_at;                 // the URL that `redis` was made for
    std::set<std::string> troubles_told;  // since it was well
    std::string dataset;
    std::uint64_t moves_known = 0;   // of redis, when positions were asked
    bool positions_doubted = false;  // one journal was elsewhere, so that others may be
    std::map<journal::journal_id, std::unique_ptr<lane>> lanes;
    batch filling;                // what was read and is not sent
    bool rest_may_go = false;     // a look has just begun: what is there goes, however few
    std::uint64_t lost_told = 0;  // records that found no room, as Redis knows it
    bool goes_alone = false;      // it is of one journal that was refused
    batch_size size;
    batch sending;
    std::optional<steady_clock::time_point> sent_at;  // the batch that Redis has not answered yet
    std::uint64_t clean_passes = 0;                   // passes that found every journal shipped to its end
    shipper_state state{.connected = false, .redis = "not connected yet"};
    const std::string script_sha = sha1_hex(apply_script);
};

// One log line for each change of what there is to say, never one per try or record: what a try meets may differ from
// one to the next (refused, cut, silent), and is told once until Redis is well again.
void shipper::impl::tell(const std::string& text, bool good) {
    if (state.redis == text) return;
    state.redis = text;
    if (good) {
        troubles_told.clear();
        spdlog::info("{}: {} to {}", name, text, address);
    } else if (troubles_told.size() < troubles_max && troubles_told.insert(text).second) {
        spdlog::warn("{}: {}; records wait in the journal", name, text);
    }
}

net::awaitable<void> shipper::impl::sleep(net::steady_timer& on, milliseconds length) {
    on.expires_after(length);
    co_await on.async_wait(as_result);
}

void shipper::impl::lose_connection(const std::string& why) {
    ready = false;
    state.connected = false;
    if (redis) redis->close();
    if (stopping) return;
    ++state.connections_lost;
    tell(why, false);
}

// ---- Connecting ----------------------------------------------------------------------------------------------------

void shipper::impl::note_data_set(const data_set& found) {
    dataset = found.id;
    const std::string known = last_data_set(part.data_set_file);
    if (known == found.id) return;
    if (!known.empty()) {
        spdlog::warn(
            "{}: this is another data set than the one last seen (flushed or replaced?); what the journal still "
            "keeps is shipped again",
            name);
    }
    keep_data_set(part.data_set_file, found.id);
}

net::awaitable<bool> shipper::impl::open_up() {
    const std::string at = part.redis_url();
    auto url = redis_url::parse(at);
    if (const auto* wrong = std::get_if<std::string>(&url)) {
        lose_connection(*wrong);
        co_return false;
    }
    address = std::get<redis_url>(url).text;
    const bool other = std::exchange(redis_at, at) != at;
    if (!redis || other)  // one that stays knows which nodes did not answer
        redis = std::make_unique<redis_client>(part.executor, std::move(std::get<redis_url>(url)),
                                               part.settings.redis.tls, keys.meta());
    const auto connected = co_await redis->connect(connect_deadline);
    if (const auto* error = std::get_if<redis_error>(&connected)) {
        lose_connection(error->what);
        co_return false;
    }
    const auto agreed = co_await agree_on_data_set(*redis, keys, part.settings.timezone, part.shards);
    if (const auto* no = std::get_if<data_set_refused>(&agreed)) {
        if (no->for_good) pause = pause_max;
        lose_connection(no->what);
        co_return false;
    }
    const auto& found = std::get<data_set>(agreed);
    note_data_set(found);
    note_eviction(found.evicts);
    co_return co_await ask_positions();
}

// What other processes have recorded is not counted for this one's metrics: they counted it, or it was lost with them.
std::unique_ptr<lane> shipper::impl::make_lane(const journal::journal_id& of) const {
    return std::make_unique<lane>(part.journals, of, part.journals.is_own(of) ? part.metrics : nullptr);
}

void shipper::impl::note_eviction(const std::string& policy) {
    const std::string text =
        policy.empty() ? ""
                       : "maxmemory-policy is " + policy + ", not noeviction: Redis may drop counters when it is full";
    if (text == state.warning) return;
    state.warning = text;
    if (text.empty()) {
        spdlog::info("{}: maxmemory-policy is noeviction", name);
    } else {
        spdlog::warn("{}: {}", name, text);
    }
}

// Whoever has nothing to ship would learn only with the next record that Redis is gone or was flushed, and by then the
// journal may have let go of what could have been shipped again.
net::awaitable<bool> shipper::impl::inspect() {
    const auto agreed = co_await agree_on_data_set(*redis, keys, part.settings.timezone, part.shards);
    if (const auto* no = std::get_if<data_set_refused>(&agreed)) {
        lose_connection(no->what);
        co_return false;
    }
    const auto& found = std::get<data_set>(agreed);
    note_eviction(found.evicts);
    if (found.id != dataset) {
        lose_connection("the data set was flushed or replaced");
        co_return false;
    }
    co_return co_await compare_positions() && co_await tell_losses();
}

// How many records this process could not keep stands in Redis as well, by the name of its first journal, which is
// never used again: told twice it is the same.
net::awaitable<bool> shipper::impl::tell_losses() {
    const auto lost = part.journals.current().lost;
    const auto ids = part.journals.journals();
    if (lost == lost_told || ids.empty()) co_return true;
    const std::vector<command> commands{
        {"HSET", keys.meta(), "lost:" + journal::to_text(ids.front()), std::to_string(lost)}};
    const auto told = co_await redis->pipeline(commands, command_deadline);
    if (const auto* error = std::get_if<redis_error>(&told)) {
        lose_connection(error->what);
        co_return false;
    }
    if (!std::get<std::vector<reply>>(told).front().is_error()) lost_told = lost;
    co_return true;
}

// How far Redis has each of them; nullopt = the connection is lost.
net::awaitable<std::optional<std::vector<std::uint64_t>>> shipper::impl::read_positions(
    const std::vector<journal::journal_id>& ids) {
    std::vector<std::uint64_t> positions(ids.size());
    if (ids.empty()) co_return positions;
    command ask{"HMGET", keys.journals()};
    for (const auto& id : ids) ask.push_back(journal::to_text(id));
    const std::vector<command> commands{std::move(ask)};
    const auto asked = co_await redis->pipeline(commands, command_deadline);
    if (const auto* error = std::get_if<redis_error>(&asked)) {
        lose_connection(error->what);
        co_return std::nullopt;
    }
    const reply& answer = std::get<std::vector<reply>>(asked).front();
    if (answer.is_error() || answer.elements.size() != ids.size()) {
        lose_connection(answer.is_error() ? answer.text : "positions could not be read");
        co_return std::nullopt;
    }
    for (std::size_t i = 0; i < ids.size(); ++i) positions[i] = sequence_in(answer.elements[i].text);
    co_return positions;
}

void shipper::impl::take_positions(const std::vector<journal::journal_id>& ids,
                                   const std::vector<std::uint64_t>& positions) {
    positions_doubted = false;
    lost_told = 0;  // a Redis that has gone back has forgotten this, too
    filling.clear();
    std::erase_if(lanes, [&](const auto& one) { return std::find(ids.begin(), ids.end(), one.first) == ids.end(); });
    for (std::size_t i = 0; i < ids.size(); ++i) {
        auto& of = lanes[ids[i]];
        if (of && of->ended() && of->position() == positions[i]) continue;
        if (!of) of = make_lane(ids[i]);
        of->forgive();
        of->go_on_from(positions[i]);
        part.journals.shipped(ids[i], positions[i]);
    }
}

// Redis says how far each journal is applied, and that is where each goes on: after a lost answer, a crash on either
// side, or a Redis that came back from an older state alike.
net::awaitable<bool> shipper::impl::ask_positions() {
    const auto ids = part.journals.journals();
    moves_known = redis->moves();
    const auto positions = co_await read_positions(ids);
    if (positions) take_positions(ids, *positions);
    co_return positions.has_value();
}

// Redis may go back to an older state behind a connection that stays open (a dump that is loaded again, a proxy that
// changes its backend). Journals to which nothing is added, those of dead processes above all, would never learn it.
net::awaitable<bool> shipper::impl::compare_positions() {
    const auto ids = part.journals.journals();
    const auto positions = co_await read_positions(ids);
    if (!positions) co_return false;
    bool same = true;
    for (std::size_t i = 0; i < ids.size(); ++i) {
        const auto of = lanes.find(ids[i]);
        same &= of == lanes.end() || of->second->position() == (*positions)[i];
    }
    if (same) co_return true;
    spdlog::warn(
        "{}: the positions of journals changed (an older state?); what the journal still keeps is shipped again", name);
    take_positions(ids, *positions);
    co_return true;
}

// ---- Shipping ------------------------------------------------------------------------------------------------------

// A stream that keeps few entries is trimmed to checkpoints between batches, so its batches are small.
std::size_t shipper::impl::batch_most() const {
    const auto maxlen = part.settings.redis.stream_maxlen;
    return maxlen == 0 ? size.most() : std::clamp<std::size_t>(maxlen / 10, 1, size.most());
}

std::size_t shipper::impl::room() const {
    const std::size_t most = batch_most();
    return filling.bytes() >= batch_bytes_max || filling.records() >= most ? 0 : most - filling.records();
}

bool shipper::impl::any_refused() const {
    return std::any_of(lanes.begin(), lanes.end(), [](const auto& one) { return one.second->refused(); });
}

bool shipper::impl::all_at_end() const {
    return std::all_of(lanes.begin(), lanes.end(), [](const auto& one) { return one.second->at_end(); });
}

bool shipper::impl::retry_due() const {
    const auto now = steady_clock::now();
    return std::any_of(lanes.begin(), lanes.end(),
                       [&](const auto& one) { return one.second->refused() && one.second->retry_at() <= now; });
}

bool shipper::impl::due() const {
    if (filling.records() == 0) return false;
    return flushing || goes_alone || rest_may_go || room() == 0 || filling.records() >= ship_at_once;
}

// Reads what is new, from every journal in turn, so that none keeps the others waiting.
void shipper::impl::fill() {
    if (goes_alone) return;
    for (bool more = true; more && room() > 0;) {
        more = false;
        for (auto& [id, of] : lanes) {
            if (!of->refused()) more |= of->read(std::min(turn_records, room()), filling) > 0;
        }
    }
}

// A journal that holds what Redis refuses must not keep the others from being shipped.
void shipper::impl::fill_with_refused() {
    const auto now = steady_clock::now();
    for (auto& [id, of] : lanes) {
        if (goes_alone || !of->refused() || now < of->retry_at()) continue;
        goes_alone = of->read(std::min(batch_most(), of->alone_most()), filling) > 0;
    }
}

// What was read and is not in Redis is read again.
void shipper::impl::rewind() {
    filling.clear();
    goes_alone = false;
    for (auto& [id, of] : lanes) {
        if (!of->ended()) of->go_on_from(of->position());
    }
}

net::awaitable<std::variant<reply, redis_error>> shipper::impl::apply() {
    batch::target to{script_sha, true, dataset, part.settings.redis.stream_maxlen};
    std::vector<command> commands{sending.apply(to), {"TIME"}};
    auto sent = co_await redis->pipeline(commands, command_deadline);
    if (const auto* error = std::get_if<redis_error>(&sent)) co_return *error;
    if (std::get<std::vector<reply>>(sent).front().text.starts_with("NOSCRIPT")) {
        to = {std::string(apply_script), false, dataset, part.settings.redis.stream_maxlen};
        commands.front() = sending.apply(to);
        sent = co_await redis->pipeline(commands, command_deadline);
        if (const auto* error = std::get_if<redis_error>(&sent)) co_return *error;
    }
    auto& answers = std::get<std::vector<reply>>(sent);
    size.took(sending.records(), microseconds_between(answers[0], answers[1]));
    co_return std::move(answers.front());
}

void shipper::impl::refuse(const std::string& why) {
    ++state.refused;
    if (wants_new_connection(why)) return lose_connection(why);
    for (const auto& share : sending.shares()) {
        lane& of = *lanes.at(share.of);
        // What is being narrowed down is tried again soon.
        const bool narrowing = sending.records() > 1 && sending.shares().size() == 1;
        of.refuse(share.last, sending.records(), narrowing ? pause_min : longer(of.retry_pause()));
    }
    rewind();
    tell(why, false);
}

// True when the batch was applied.
bool shipper::impl::take_answer(const reply& answer) {
    if (answer.kind != reply::type::array || answer.elements.empty()) {
        refuse(answer.is_error() ? answer.text : "an answer that no batch asks for");
        return false;
    }
    const std::string& what = answer.elements[0].text;
    if (what == "ok") {
        for (const auto& share : sending.shares()) {
            lane& of = *lanes.at(share.of);
            if (!of.own()) state.shipped_for_others += share.records;
            of.applied(share.last);
            part.journals.shipped(share.of, share.last);
        }
        state.shipped += sending.records();
        ++state.batches;
        pause = milliseconds{0};
        return true;
    }
    if (what != "position" || answer.elements.size() < 3) {
        lose_connection("the data set was flushed or replaced");
        return false;
    }
    for (const auto& share : sending.shares()) {
        if (journal::to_text(share.of) != answer.elements[1].text) continue;
        spdlog::info("{}: journal {} goes on behind {}, where Redis has it (not {})", name, answer.elements[1].text,
                     answer.elements[2].text, share.behind);
    }
    positions_doubted = true;  // asked for all of them before anything is sent
    return false;
}

net::awaitable<bool> shipper::impl::send() {
    sent_at = steady_clock::now();
    const auto answer = co_await apply();
    const auto took = steady_clock::now() - *std::exchange(sent_at, std::nullopt);
    if (const auto* error = std::get_if<redis_error>(&answer)) {
        lose_connection(error->what);
        co_return false;
    }
    state.apply_us.add(apply_bounds_us, std::chrono::duration_cast<std::chrono::microseconds>(took).count());
    co_return take_answer(std::get<reply>(answer));
}

net::awaitable<void> shipper::impl::fill_meanwhile() {
    fill();
    co_return;
}

// One look at every journal. True = something was applied, so look again at once.
net::awaitable<bool> shipper::impl::pass() {
    using namespace net::experimental::awaitable_operators;
    if (filling.records() == 0) fill_with_refused();
    fill();
    if (!due()) {
        const bool clean = filling.records() == 0 && !any_refused();
        clean_passes += clean && all_at_end();
        if (clean) tell("connected", true);
        co_return false;
    }
    if (!goes_alone && room() > 0) rest_may_go = false;  // those that come now wait for others
    std::swap(filling, sending);
    filling.clear();
    goes_alone = false;
    bool moved = false;
    if (retry_due()) {  // the next batch is for that journal alone
        moved = co_await send();
    } else {
        moved = co_await (send() && fill_meanwhile());
    }
    if (moved && !any_refused()) tell("connected", true);
    co_return moved;
}

net::awaitable<void> shipper::impl::ship() {
    for (const auto& id : part.journals.journals()) {  // so that their lag is seen before Redis is
        if (part.journals.is_own(id)) lanes[id] = make_lane(id);
    }
    steady_clock::time_point next_adoption{}, next_inspection{};
    while (!stopping) {
        if (part.redis_starts && part.redis_starts()) {
            co_await sleep(nap, pause_min);
            continue;
        }
        if (!ready) {
            ready = state.connected = co_await open_up();
            next_inspection = steady_clock::now() + inspection_pause;
            if (!ready) {
                pause = longer(pause);
                if (!stopping) co_await sleep(nap, pause);
                continue;
            }
        }
        if (const auto now = steady_clock::now(); now >= next_adoption) {
            next_adoption = now + adoption_pause;
            if (part.journals.adopt_ended()) ready = co_await ask_positions();
        }
        if (const auto now = steady_clock::now(); ready && now >= next_inspection) {
            next_inspection = now + inspection_pause;
            ready = co_await inspect();
        }
        if (ready && flushing) ready = co_await tell_losses();  // nobody may ask again
        // Another node of the cluster answers now, which may hold less: a replica that was promoted.
        if (ready && (positions_doubted || redis->moves() != moves_known)) ready = co_await ask_positions();
        if (ready && !redis->connected()) lose_connection("the connection ended, or the sentinels name another master");
        const bool moved = ready && co_await pass();
        if (!ready && !stopping) co_await sleep(nap, pause = longer(pause));
        if (ready && !moved && !stopping) {
            nap.expires_at(next_look(steady_clock::now()));
            co_await nap.async_wait(as_result);
            rest_may_go = true;
        }
    }
    lose_connection("stopped");
    state.redis = "stopped";
}

// Keeps the journals' house in order whatever Redis does.
net::awaitable<void> shipper::impl::tick() {
    journal_upkeep upkeep(part.journals, part.settings);
    while (!stopping) {
        const auto now = steady_clock::now();
        upkeep.run(!ready, now);
        if (upkeep.is_time_to_look_ahead(now)) {
            const bool stuck = !ready || room() == 0 || (sent_at && now - *sent_at >= look_ahead_pause);
            for (auto& [id, of] : lanes) {
                if (stuck || of->refused()) of->look_ahead(look_ahead_records);
            }
        }
        tick_timer.expires_at(upkeep.next_run(now));
        co_await tick_timer.async_wait(as_result);
    }
}

// ---- The face ------------------------------------------------------------------------------------------------------

shipper::shipper(parts with) : impl_(std::make_shared<impl>(std::move(with))) {}
shipper::~shipper() { stop(); }

net::awaitable<void> shipper::run() {
    using namespace net::experimental::awaitable_operators;
    const auto self = impl_;  // shared: run() may outlive the shipper for a moment
    co_await (self->ship() && self->tick());
}

net::awaitable<bool> shipper::flush(milliseconds deadline) {
    const auto self = impl_;
    const auto end = steady_clock::now() + deadline;
    const auto wanted = self->clean_passes + 2;  // the pass under way may have looked before the last append
    self->flushing = true;
    self->nap.cancel();
    while (!self->stopping && self->clean_passes < wanted && steady_clock::now() < end) {
        co_await self->sleep(self->flush_timer, milliseconds{2});
    }
    self->flushing = false;
    co_return self->clean_passes >= wanted;
}

void shipper::stop() {
    impl_->stopping = true;
    impl_->nap.cancel();
    impl_->tick_timer.cancel();
    if (impl_->redis) impl_->redis->close();
}

bool shipper::connected() const { return impl_->state.connected; }

shipper_state shipper::current() const {
    shipper_state now = impl_->state;
    for (const auto& [id, of] : impl_->lanes) {
        now.lag += of->lag();
        if (const auto since = of->waiting_since())
            now.waiting = std::max(now.waiting, std::chrono::duration_cast<milliseconds>(steady_clock::now() - *since));
    }
    return now;
}

}  // namespace tracking::store
