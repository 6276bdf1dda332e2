#include "proxy/exchange.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "proxy/errors.hpp"
#include "proxy/write_all.hpp"
#include "tracking/usage/body_form.hpp"

namespace proxy {
namespace {

using namespace std::chrono_literals;
using tracking::equals_ignoring_case;
using tracking::outcome;

// Streams of events live long, and their events are small: one with a slow reader holds no more than a page.
constexpr std::size_t event_piece_bytes = 4 * 1024 - buffer::front_bytes;
constexpr std::uint64_t max_drain_bytes = 16ULL << 20;  // on_client_abort = "drain"

// RFC 9110, 9.2.2.
bool is_idempotent(std::string_view method) noexcept {
    return method == "GET" || method == "HEAD" || method == "OPTIONS" || method == "PUT" || method == "DELETE";
}

// Whether a list names something, and nothing but what `offered` names, too.
bool is_one_of(std::string_view list, std::string_view offered) noexcept {
    bool named = false, only_offered = true;
    for_each_member(list, [&](std::string_view protocol) {
        bool found = false;
        for_each_member(offered, [&](std::string_view each) { found = found || equals_ignoring_case(each, protocol); });
        named = true;
        only_offered = only_offered && found;
    });
    return named && only_offered;
}

}  // namespace

exchange::exchange(worker_parts& parts, std::shared_ptr<const rules> by, const client_request& request)
    : parts_(parts),
      rules_(std::move(by)),
      request_(request),
      heads_(parts.heads.take()),
      to_head_(request.head.method == "HEAD"),
      idempotent_(is_idempotent(request.head.method)),
      client_keeps_alive_(wants_keep_alive(request.head)),
      client_minor_(request.head.minor_version),
      offered_upgrade_(wanted_upgrade(request.head)),
      out_(heads_->out),
      answer_in_(parts.buffers),
      answer_(heads_->answer) {
    out_.clear();
}

// ---- The way of one request -------------------------------------------------------------------------------------

task<bool> exchange::run() {
    bool going = begin();
    for (bool fresh = false; going; fresh = true) {
        if (!co_await connect(fresh)) break;
        step did = co_await send();
        if (did == step::done) did = co_await await_head();
        if (did == step::retry) continue;
        if (did == step::done && answer_.status == 101) co_await tunnel();
        if (did == step::done && answer_.status != 101) co_await relay_answer();
        break;
    }
    co_await finish();
    co_return client_stays_;
}

// Attributes the request, takes apart what has arrived of its body and makes the head that goes upstream. Everything
// that needs the received head happens here: its bytes may move once more arrive.
bool exchange::begin() {
    const bool trusted = request_.peer_trusted;
    if (request_.way != nullptr) {
        meter_ = parts_.meters.take();
        meter_->begin(*rules_,
                      {request_.head, *request_.way, request_.peer, trusted, request_.request_id, request_.arrived,
                       request_.arrived_us},
                      *parts_.seen_tokens, parts_.scanners);
    }
    request_body_.begin(request_.body, limits().header_bytes, body_of::request,
                        trusted ? nullptr : rules_->identity.get());
    const auto first = request_body_.take(request_.received.bytes().subspan(request_.head_length));
    first_payload_ = first.payload;
    if (!first_payload_.empty()) first_spare_ = request_.received.before(first_payload_.data());
    first_consumed_ = request_.head_length + first.consumed;
    body_whole_ = request_body_.done();
    if (meter_) {
        meter_->request_body(first_payload_);
        if (body_whole_) meter_->request_whole();
    }

    const std::uint64_t most = limits().body_bytes;
    const std::uint64_t stated =
        request_.body.kind == body_kind::length ? request_.body.length : request_body_.payload_bytes();
    if (request_body_.failed()) return fail(400, request_body_.problem());
    if (most != 0 && stated > most) return fail(413, "the request body is larger than allowed");
    host_at_ = write_request_head(out_, request_.head, request_.body,
                                  {.peer = request_.peer,
                                   .peer_trusted = trusted,
                                   .scheme = request_.client.tls() != nullptr ? "https" : "http",
                                   .request_id = request_.request_id,
                                   .upstream_host = rules_->upstream_host,
                                   .preserve_host = rules_->settings.forward.preserve_host,
                                   .identity = rules_->identity.get(),
                                   .own_cookie = own_cookie()});
    host_length_ = rules_->upstream_host.size();
    if (body_whole_) watch_client();
    return true;
}

// The Host of the upstream's own is that of the peer which is asked.
void exchange::name_peer() {
    if (host_at_ == std::string::npos) return;
    const std::string& host = turn_.at().address.host;
    out_.replace(host_at_, host_length_, host);
    host_length_ = host.size();
}

// Browsers send our pages' cookie below our prefixes, to the application's own routes there as well.
std::string_view exchange::own_cookie() const {
    if (!request_.head.has(field_id::cookie)) return {};
    return admin::session_cookie_below(rules_->settings.admin, request_.head.target);
}

// One peer after the other, until one takes the connection: nothing has been written yet.
task<bool> exchange::connect(bool fresh) {
    connect_failure why;
    if (!turn_.is_first()) why.error = ECONNRESET;  // see send()
    while (!client_gone_ && request_.client.is_open() && parts_.upstream.choose(turn_)) {
        if (meter_) meter_->attempt();
        wrote_any_ = sent_whole_ = false;
        name_peer();
        upstream_ = fresh ? nullptr : parts_.upstream.take_idle(turn_);
        reused_ = upstream_ != nullptr;
        if (reused_) co_return true;
        auto made = co_await parts_.upstream.connect(turn_);
        if (auto* connection = std::get_if<std::shared_ptr<stream>>(&made)) {
            upstream_ = std::move(*connection);
            co_return !client_gone_;
        }
        // What is wrong with TLS says more than a refusal elsewhere.
        if (why.problem.empty()) why = std::get<connect_failure>(std::move(made));
    }
    if (client_gone_) co_return false;
    co_return fail(why.timed_out ? 504 : 502, "connecting to the upstream: " + why.text());
}

// Writes the head and what has arrived of the body in one write; the rest of the body follows on its own.
task<exchange::step> exchange::send() {
    if (meter_) meter_->forward(parts_.journal, parts_.labels);
    framed_piece out(out_, first_payload_, request_.body.kind, request_body_, first_spare_);
    const io_result sent = co_await write_all(*upstream_, out.pieces(), limits().body_timeout);
    wrote_any_ = sent.bytes > 0;
    // A peer that stopped reading may still have answered: its answer is read, when there is one.
    if (!sent && sent.error != io_error::reset) co_return head_ended(sent.error);
    if (!sent && may_retry()) co_return step::retry;
    if (!sent && !reused_ && !wrote_any_ && !answer_waits()) {  // as good as not connected
        parts_.upstream.not_taken(turn_);
        upstream_->close();
        co_return step::retry;
    }
    if (body_whole_) {
        sent_whole_ = static_cast<bool>(sent);
        if (meter_) meter_->request_sent(now());
    } else if (sent) {
        let_go_of_request();  // it cannot be sent again, and its place is wanted: see watch_client()
        uploading_ = true;
        run_upload();
    }
    co_return step::done;
}

// Whether the peer has said something, which is then taken.
bool exchange::answer_waits() {
    const io_result got = upstream_->try_read(answer_in_.room());
    if (!got) return false;
    answer_in_.filled(got.bytes);
    answer_seen_ = true;
    return true;
}

task<exchange::step> exchange::await_head() {
    for (;;) {
        const step got = co_await read_head();
        if (got != step::done) co_return got;
        if (answer_.status >= 200) co_return step::done;
        if (answer_.status == 101) {
            if (may_switch()) co_return step::done;
            fail(502, "the upstream switched protocols unasked, too early or without saying to which");
            co_return step::failed;
        }
        if (!co_await relay_interim()) co_return step::failed;
    }
}

// Passes the answer on as it arrives, until one side ends it.
task<> exchange::relay_answer() {
    if (!begin_answer()) co_return;
    steady_time at{};
    for (bool first = true;; first = false) {
        const auto arrived = answer_body_.take(answer_in_.bytes());
        if (first && answer_body_.failed()) co_return take_back_answer();
        if (meter_) at = now();
        const bool sent = co_await send_piece(arrived.payload);
        const bool whole = sent && answer_body_.done();
        if (whole) {
            last_piece_ = arrived.payload;  // read when the record is closed
        } else if (meter_) {
            meter_->answer_body(arrived.payload, at);
        }
        answer_in_.consume(arrived.consumed);
        if (!sent) co_return;
        if (whole) break;
        if (answer_body_.failed()) {
            problem_ = answer_body_.problem();
            co_return;
        }
        if (!co_await read_more()) co_return;
    }
    answer_complete_ = true;
    answer_ended_ = at;
}

task<> exchange::finish() {
    if (uploading_) co_await stop_upload();
    request_.client.unwatch();
    if (!answer_started_ && !client_gone_) co_await answer_failure();
    settle_upstream();
    if (meter_) {
        parts_.ended.add({.by = std::move(rules_),
                          .meter = std::move(meter_),
                          .how = how_it_ended(),
                          .at = now(),
                          .held = std::move(answer_in_),
                          .last_piece = last_piece_,
                          .answer_ended = answer_ended_});
    }
    if (client_gone_ || (answer_started_ && !answer_complete_)) {
        client_stays_ = false;
        // Closing is what tells the client that the message is cut, unless closing is how it ends anyway.
        if (answer_framing_ == body_kind::until_close && !answer_complete_) request_.client.reset();
        request_.client.close();
    }
    let_go_of_request();
}

// ---- Connecting and waiting for the head ------------------------------------------------------------------------

bool exchange::fail(int status, std::string problem) noexcept {
    if (failed_status_ == 0) {
        failed_status_ = status;
        problem_ = std::move(problem);
    }
    return false;
}

// Only a kept connection can have died before the request came, and only what cannot have had an effect is sent again.
bool exchange::may_retry() const noexcept {
    return reused_ && !answer_seen_ && !client_gone_ && (!wrote_any_ || (idempotent_ && body_whole_));
}

// That a kept connection ended says nothing of its peer, and `closed` is this side's doing.
void exchange::note_unanswered(io_error how) {
    if (answer_seen_ || how == io_error::closed) return;
    if (how == io_error::timed_out) return parts_.upstream.unanswered(turn_, "no answer in time");
    if (!reused_) parts_.upstream.unanswered(turn_, "connections end without an answer");
}

exchange::step exchange::head_ended(io_error how) noexcept {
    if (how != io_error::closed && how != io_error::timed_out && may_retry()) {
        upstream_->close();
        return step::retry;
    }
    note_unanswered(how);
    switch (how) {
        case io_error::timed_out:
            fail(504, "the upstream did not answer in time");
            break;
        case io_error::end:
        case io_error::truncated:
            fail(502, "the upstream closed the connection without an answer");
            break;
        default:
            fail(502, "the upstream reset the connection");
            break;
    }
    return step::failed;
}

// RFC 9110, 7.8: only to what was offered, and not before the request is whole.
bool exchange::may_switch() const noexcept {
    return request_body_.done() && !uploading_ && is_one_of(answer_.value(field_id::upgrade), offered_upgrade_);
}

task<exchange::step> exchange::read_head() {
    answer_parser_.reset();
    const head_limits bounds{limits().answer_header_bytes, limits().answer_header_fields};
    for (;;) {
        if (!answer_in_.empty()) {
            const head_status parsed = answer_parser_.feed(answer_in_.view(), answer_, bounds);
            if (parsed == head_status::complete) {
                answer_in_.consume(answer_parser_.length());
                parts_.upstream.answered(turn_);
                co_return step::done;
            }
            if (parsed != head_status::incomplete) {
                fail(502, std::string("the upstream's answer is malformed: ") + answer_parser_.problem());
                co_return step::failed;
            }
            if (answer_in_.room().empty()) answer_in_.reserve(bounds.bytes + 4096);
        }
        const io_error waited = co_await upstream_readable();
        if (waited != io_error::none) co_return head_ended(waited);
        const io_result got = upstream_->try_read(answer_in_.room());
        if (got.error == io_error::would_block) continue;
        if (!got) co_return head_ended(got.error);
        answer_seen_ = true;
        answer_in_.filled(got.bytes);
    }
}

// Waits for the upstream, as long as it may be silent: while the request is still being sent, whose own deadline
// holds, without end; for a client that has left, until what is left of drain_time is over.
task<io_error> exchange::upstream_readable() {
    for (;;) {
        auto timeout = limits().upstream_read_timeout;
        const bool draining = drain_until_ != steady_time{};
        if (draining) {
            timeout = std::min(timeout, std::chrono::duration_cast<std::chrono::milliseconds>(drain_until_ - now()));
            if (timeout <= 0ms || drained_bytes_ > max_drain_bytes) co_return io_error::closed;
        }
        io_error waited = co_await upstream_->readable(timeout);
        if (waited == io_error::timed_out) {
            if (uploading_ && !body_overdue_) continue;
            if (draining) co_return io_error::closed;  // our patience, not the peer's fault
            if (const auto left = patience_left(); left > 0ms) waited = co_await upstream_->readable(left);
        }
        const bool told_to_drain = waited == io_error::closed && upstream_->is_open() && drain_until_ != steady_time{};
        if (!told_to_drain) co_return waited;
    }
}

// Of a wait that began before the request was sent whole: it has limits.upstream_read_timeout from that moment on.
std::chrono::milliseconds exchange::patience_left() const noexcept {
    if (uploaded_ == steady_time{}) return 0ms;
    return std::chrono::ceil<std::chrono::milliseconds>(uploaded_ + limits().upstream_read_timeout - now());
}

task<bool> exchange::relay_interim() {
    if (++interims_ > limits().interim_answers) co_return fail(502, "the upstream sent too many interim answers");
    if (client_minor_ == 0) co_return true;  // HTTP/1.0 knows no interim answers
    out_.clear();
    write_response_head(out_, answer_, {.body = {}, .strip_facts = meter_ != nullptr});
    std::array<iovec, 1> pieces{piece_of(out_)};
    const io_result sent = co_await write_all(request_.client, pieces, limits().body_timeout);
    co_return sent || client_lost();
}

// ---- The answer -------------------------------------------------------------------------------------------------

bool exchange::begin_answer() {
    const framing_verdict verdict = check_response(answer_, to_head_);
    if (verdict.refusal != 0) return fail(502, std::string("the upstream's answer is malformed: ") + verdict.problem);
    answer_body_.begin(verdict.body, limits().header_bytes, body_of::answer);
    answer_framing_ = verdict.body.kind;
    if (answer_framing_ == body_kind::chunked || answer_framing_ == body_kind::until_close)
        answer_framing_ = client_minor_ == 0 ? body_kind::until_close : body_kind::chunked;
    // An answer that overtakes its request is the last: what is left of the body stands before any other request.
    client_stays_ = client_keeps_alive_ && request_body_.done() && !uploading_ && !parts_.draining &&
                    answer_framing_ != body_kind::until_close;
    upstream_stays_ = wants_keep_alive(answer_) && verdict.body.kind != body_kind::until_close;
    upstream_keeps_ = stated_keep_alive(answer_);
    if (verdict.body.kind != body_kind::length &&
        tracking::usage::is_event_stream(answer_.value(field_id::content_type)))
        answer_piece_ = event_piece_bytes;
    if (meter_) meter_->answer_head(answer_);
    out_.clear();
    write_response_head(out_, answer_,
                        {.body = {answer_framing_, verdict.body.length},
                         .keep_alive = client_stays_,
                         .client_minor = client_minor_,
                         .strip_facts = meter_ != nullptr,
                         .to_head = to_head_,
                         .date = answer_.has(field_id::date) ? std::string_view{} : http_date()});
    answer_started_ = true;
    return true;
}

// The body is malformed from its beginning, and nothing of the answer has been sent.
void exchange::take_back_answer() noexcept {
    out_.clear();
    answer_started_ = false;
    fail(502, std::string("the upstream's answer is malformed: ") + answer_body_.problem());
}

// Writes the head when it is still waiting, the payload in the client's framing, and the end when this is it.
task<bool> exchange::send_piece(std::string_view payload) {
    if (drain_until_ != steady_time{}) {
        drained_bytes_ += payload.size();
        co_return true;
    }
    const std::size_t spare = payload.empty() ? 0 : answer_in_.before(payload.data());
    framed_piece out(out_, payload, answer_framing_, answer_body_, spare);
    const io_result sent = co_await write_all(request_.client, out.pieces(), limits().body_timeout);
    out_.clear();
    co_return sent || client_lost();
}

task<bool> exchange::read_more() {
    if (answer_in_.empty()) answer_in_.release();  // a stream that is silent holds no memory
    let_go_of_request();
    for (;;) {
        const io_error waited = co_await upstream_readable();
        if (waited != io_error::none) co_return answer_ended(waited);
        const std::span<char> room = answer_in_.room();
        const io_result got = upstream_->try_read(room.first(std::min(room.size(), answer_piece_)));
        if (got.error == io_error::would_block) continue;
        if (!got) co_return answer_ended(got.error);
        answer_in_.filled(got.bytes);
        co_return true;
    }
}

// Once an answer is under way its request is not sent again: a stream holds no block for it.
void exchange::let_go_of_request() noexcept {
    if (first_consumed_ == 0) return;
    request_.received.consume(std::min(std::exchange(first_consumed_, 0), request_.received.size()));
    if (request_.received.empty()) request_.received.release();
}

// True = that is a proper end of the body.
bool exchange::answer_ended(io_error how) noexcept {
    if (how == io_error::end && answer_body_.end_of_stream()) return true;
    if (!client_gone_)
        problem_ = how == io_error::timed_out ? "the upstream fell silent within its answer"
                                              : "the upstream's answer ended early";
    return false;
}

// ---- The end ----------------------------------------------------------------------------------------------------

task<> exchange::answer_failure() {
    client_stays_ =
        client_keeps_alive_ && client_minor_ != 0 && body_whole_ && !parts_.draining && failed_status_ >= 500;
    out_ = problem_response(failed_status_, problem_, request_.request_id, client_stays_, to_head_);
    std::array<iovec, 1> pieces{piece_of(out_)};
    const io_result sent = co_await write_all(request_.client, pieces, limits().body_timeout);
    if (!sent) client_lost();
}

exchange_end exchange::how_it_ended() noexcept {
    exchange_end end;
    end.delivered = answer_complete_ && !tunnel_broken_;
    end.problem = std::move(problem_);
    end.status = answer_started_ ? answer_.status : failed_status_;
    if (client_gone_) {
        end.result = outcome::client_abort;
    } else if (!answer_started_) {
        end.result = outcome::error;
    } else if (!answer_complete_) {
        end.result = outcome::upstream_abort;
    }
    return end;
}

// Keeps the upstream's connection when the exchange left nothing behind on it.
void exchange::settle_upstream() noexcept {
    if (!upstream_) return;
    if (upstream_stays_ && answer_complete_ && sent_whole_ && answer_in_.empty() && failed_status_ == 0) {
        parts_.upstream.give_back(turn_, std::move(upstream_), upstream_keeps_);
    } else {
        upstream_->close();
    }
}

}  // namespace proxy
