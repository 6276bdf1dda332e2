// The client's side of an exchange while the answer is under way: the rest of its request body, its departure, and
// the tunnel after an upgrade. See exchange.hpp.
#include <algorithm>
#include <array>

#include "proxy/exchange.hpp"
#include "proxy/write_all.hpp"

namespace proxy {
namespace {

constexpr std::chrono::seconds drain_time{30};  // on_client_abort = "drain"

}  // namespace

// ---- The rest of the request body -------------------------------------------------------------------------------

// Safe: finish() waits for upload_ended_, so that the exchange outlives this.
detached exchange::run_upload() {
    co_await upload();
    uploading_ = false;
    upload_ended_.set();
}

task<> exchange::upload() {
    buffer rest(parts_.buffers);
    while (!request_body_.done()) {
        if (rest.empty()) rest.release();
        const io_error waited = co_await request_.client.readable(limits().body_timeout);
        if (stop_uploading_) co_return;
        if (waited == io_error::timed_out) {
            if (!answer_started_) co_return upload_failed(408, "the request body did not arrive in time");
            body_overdue_ = true;  // who has its answer need not send the body that it announced (RFC 9110, 10.1.1)
            continue;
        }
        if (waited != io_error::none) co_return;
        std::span<char> room = rest.room();
        room = room.first(std::min(room.size(), request_body_.wanted()));
        const io_result got = request_.client.try_read(room);
        if (got.error == io_error::would_block) continue;
        if (!got) co_return client_left();
        body_overdue_ = false;
        rest.filled(got.bytes);
        if (!co_await upload_piece(rest)) co_return;
    }
    uploaded_ = now();
    sent_whole_ = true;
    if (meter_) {
        meter_->request_whole();
        meter_->request_sent(uploaded_);
    }
    watch_client();
}

// False = the upload is over: the body is malformed or too large, or the upstream stopped taking it.
task<bool> exchange::upload_piece(buffer& rest) {
    const auto piece = request_body_.take(rest.bytes());
    const std::uint64_t most = limits().body_bytes;
    if (request_body_.failed()) co_return upload_failed(400, request_body_.problem()), false;
    if (most != 0 && request_body_.payload_bytes() > most)
        co_return upload_failed(413, "the request body is larger than allowed"), false;
    if (meter_) meter_->request_body(piece.payload);

    framed_piece out({}, piece.payload, request_.body.kind, request_body_);
    watch_departure();  // while the upstream takes nothing, nothing is read that would tell
    const io_result sent = co_await write_all(*upstream_, out.pieces(), limits().body_timeout);
    request_.client.unwatch();
    if (sent.error == io_error::timed_out && !answer_started_)
        co_return upload_failed(504, "the upstream does not take the request"), false;
    if (!sent || stop_uploading_) co_return false;
    rest.consume(piece.consumed);
    if (request_body_.done() && !rest.empty()) {  // the client's next request came right behind
        request_.received.append(rest.view());
        rest.release();
    }
    co_return true;
}

// The client's body cannot be taken: nothing more goes upstream, and the client learns why unless an answer is already
// on its way.
void exchange::upload_failed(int status, const char* problem) noexcept {
    stop_uploading_ = true;
    fail(status, problem);
    upstream_->close();  // ends run()'s wait for the answer
}

task<> exchange::stop_upload() {
    if (!uploading_) co_return;
    stop_uploading_ = true;
    client_stays_ = false;  // what is left of the body stands before the next request
    request_.client.cancel_read();
    if (uploading_) upstream_->cancel_write();
    if (uploading_) co_await upload_ended_;
}

// ---- The client's departure -------------------------------------------------------------------------------------

void exchange::watch_client() noexcept {
    if (request_.received.full()) return watch_departure();  // it sends requests ahead
    request_.client.watch(&exchange::on_client_event, this);
}

// Its end alone may only say that there is nothing more to ask.
void exchange::watch_departure() noexcept {
    const bool end_is_none = rules_->settings.forward.half_close;
    request_.client.watch_departure(end_is_none ? stream::departure::reset : stream::departure::end,
                                    &exchange::on_departure, this);
}

void exchange::on_departure(void* self) noexcept { static_cast<exchange*>(self)->client_left(); }

void exchange::on_client_event(void* self) noexcept {
    auto& me = *static_cast<exchange*>(self);
    const io_result got = me.request_.client.try_read(me.request_.received.room());
    if (got) me.request_.received.filled(got.bytes);
    if (me.request_.received.empty()) me.request_.received.release();
    if (got || got.error == io_error::would_block) return me.watch_client();
    // Its end alone may only say that there is nothing more to ask.
    if (me.rules_->settings.forward.half_close && got.error == io_error::end && !me.request_.client.was_reset())
        return me.request_.client.watch_behind_end(&exchange::on_client_event, self);
    me.client_left();
}

// The end of the client's stream, orderly or not, before its answer is complete: nobody waits for the answer.
void exchange::client_left() noexcept {
    if (client_gone_) return;
    client_gone_ = true;
    const bool read_on = meter_ && rules_->settings.track.on_client_abort == conf::track_settings::on_abort::drain;
    if (read_on && request_body_.done() && drain_until_ == steady_time{}) {
        drain_until_ = now() + drain_time;
        if (upstream_) upstream_->cancel_read();  // the wait under way gets the new deadline; last, as below
        return;
    }
    if (upstream_) upstream_->close();  // last: run() may end within this call
}

// Writing to the client failed. True = the answer is read on without it; there is none when no upstream was reached.
bool exchange::client_lost() noexcept {
    if (!client_gone_) client_left();
    return drain_until_ != steady_time{} && upstream_ && upstream_->is_open();
}

// ---- After an upgrade -------------------------------------------------------------------------------------------

task<> exchange::tunnel() {
    request_.client.unwatch();
    out_.clear();
    write_response_head(out_, answer_, {.body = {}, .strip_facts = meter_ != nullptr});
    answer_started_ = true;
    answer_framing_ = body_kind::until_close;
    if (meter_) meter_->answer_head(answer_);
    std::array<iovec, 1> pieces{piece_of(out_)};
    const io_result sent = co_await write_all(request_.client, pieces, limits().body_timeout);
    if (!sent) {
        client_gone_ = true;
        co_return;
    }
    tunnel_moved_ = now();
    uploading_ = true;
    run_tunnel_upload();
    co_await pump(*upstream_, request_.client, answer_in_);
    if (uploading_) co_await upload_ended_;
    answer_complete_ = true;
    client_stays_ = false;
    if (meter_) meter_->upstream_ended(now());
}

detached exchange::run_tunnel_upload() {
    buffer ahead(parts_.buffers);  // what the client sent behind its request
    ahead.append(request_.received.view().substr(std::min(first_consumed_, request_.received.size())));
    first_consumed_ = request_.received.size();
    let_go_of_request();  // a tunnel may stay for days
    co_await pump(request_.client, *upstream_, ahead);
    uploading_ = false;
    upload_ended_.set();
}

// Moves bytes until `from` ends, then ends `to`'s sending side; a silent or broken tunnel is closed on both sides.
task<> exchange::pump(stream& from, stream& to, buffer& through) {
    for (;;) {
        if (!through.empty()) {
            std::array<iovec, 1> pieces{piece_of(through.view())};
            if (!co_await write_all(to, pieces, limits().body_timeout)) break;
            through.consume(through.size());
        }
        through.release();
        // Silence of one side alone does not end a tunnel.
        const auto silence = std::chrono::duration_cast<std::chrono::milliseconds>(now() - tunnel_moved_);
        const auto left = limits().upstream_read_timeout - silence;
        if (left.count() <= 0) break;
        const io_error waited = co_await from.readable(left);
        if (waited == io_error::timed_out) continue;
        if (waited != io_error::none) break;
        const io_result got = from.try_read(through.room());
        if (got.error == io_error::would_block) continue;
        if (got.error == io_error::end) {
            to.shutdown_send();
            co_return;
        }
        if (!got) break;
        tunnel_moved_ = now();
        through.filled(got.bytes);
    }
    tunnel_broken_ = true;
    from.close();
    to.close();
}

}  // namespace proxy
