// One proxied request, phase by phase: begin -> connect -> send -> await the head -> stream the answer -> finish.
// OPEN exchange.cpp FIRST to see how a request passes. The two bodies are two directions that run at once: the request
// body is uploaded by a coroutine of its own when it has not arrived whole, so that an early answer, a departing
// client or a slow reader is seen while the other side still flows.
// Made by the session for each request; lives on its worker until both directions have ended.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "proxy/body.hpp"
#include "proxy/forward.hpp"
#include "proxy/task.hpp"
#include "proxy/worker_parts.hpp"

namespace proxy {

// The client's side of a request, as the session has read it. The head's views are of `received`.
struct client_request {
    stream& client;
    buffer& received;  // the head, then what has arrived behind it; run() consumes the request
    std::size_t head_length;
    const request_head& head;
    body_framing body;
    std::string_view peer;
    bool peer_trusted;
    std::string_view request_id;
    steady_time arrived;
    std::int64_t arrived_us;
    const route* way;  // null = not tracked; used by begin() only
};

class exchange {
public:
    exchange(worker_parts& parts, std::shared_ptr<const rules> by, const client_request& request);
    exchange(const exchange&) = delete;
    exchange& operator=(const exchange&) = delete;

    // Serves the request to its end, whatever that is. True = the client's connection can take another request.
    task<bool> run();

private:
    enum class step : std::uint8_t { done, retry, failed };

    bool begin();
    void name_peer();
    std::string_view own_cookie() const;
    task<bool> connect(bool fresh);
    task<step> send();
    task<step> await_head();
    task<> relay_answer();
    task<> tunnel();
    task<> finish();

    bool answer_waits();
    bool fail(int status, std::string problem) noexcept;
    bool may_retry() const noexcept;
    bool may_switch() const noexcept;
    task<step> read_head();
    step head_ended(io_error how) noexcept;
    void note_unanswered(io_error how);
    task<io_error> upstream_readable();
    std::chrono::milliseconds patience_left() const noexcept;
    task<bool> relay_interim();
    bool begin_answer();
    void take_back_answer() noexcept;
    task<bool> send_piece(std::string_view payload);
    task<bool> read_more();
    void let_go_of_request() noexcept;
    bool answer_ended(io_error how) noexcept;
    task<> stop_upload();
    task<> answer_failure();
    exchange_end how_it_ended() noexcept;  // takes the problem's text
    void settle_upstream() noexcept;

    // The request body, when it did not arrive whole with the head.
    detached run_upload();
    task<> upload();
    task<bool> upload_piece(buffer& rest);
    void upload_failed(int status, const char* problem) noexcept;

    // Watches the client while the answer is under way, or what it sent cannot be passed on.
    void watch_client() noexcept;
    void watch_departure() noexcept;
    static void on_departure(void* self) noexcept;
    static void on_client_event(void* self) noexcept;
    void client_left() noexcept;
    bool client_lost() noexcept;  // while writing to it

    detached run_tunnel_upload();
    task<> pump(stream& from, stream& to, buffer& through);

    steady_time now() const noexcept { return parts_.clock.steady(); }
    const conf::limits_settings& limits() const noexcept { return rules_->settings.limits; }

    worker_parts& parts_;
    std::shared_ptr<const rules> rules_;  // null once finished
    client_request request_;
    object_pool<meter>::lent meter_;  // null = not tracked
    object_pool<exchange_heads>::lent heads_;

    // Copied from the head, whose views end when more bytes arrive.
    const bool to_head_;
    const bool idempotent_;
    const bool client_keeps_alive_;
    const int client_minor_;
    const std::string offered_upgrade_;  // the protocols; "" = none

    peer_turn turn_;
    std::shared_ptr<stream> upstream_;
    bool reused_ = false;
    bool wrote_any_ = false;
    std::string& out_;                         // a head on its way
    std::size_t host_at_ = std::string::npos;  // in it, of what name_peer() has put there
    std::size_t host_length_ = 0;
    std::string_view first_payload_;  // body bytes that came with the head
    std::size_t first_spare_ = 0;     // bytes in front of them that nobody needs once the head is made
    std::size_t first_consumed_ = 0;
    body_reader request_body_;
    bool body_whole_ = false;  // the body came with the head, so that it can be sent again
    bool sent_whole_ = false;  // the upstream's socket has taken all of the request

    buffer answer_in_;
    response_head& answer_;
    response_parser answer_parser_;
    body_reader answer_body_;
    std::string_view last_piece_;                          // of the answer's body, whole: not yet shown to the meter
    body_kind answer_framing_ = body_kind::none;           // as sent to the client
    std::size_t answer_piece_ = buffer_pool::block_bytes;  // most that is read of it at once
    std::uint32_t interims_ = 0;
    bool answer_seen_ = false;     // a byte of it has arrived
    bool answer_started_ = false;  // its head is on the way to the client
    bool answer_complete_ = false;
    steady_time answer_ended_{};  // when its last piece arrived; none = it is not whole
    bool client_stays_ = false;
    bool upstream_stays_ = false;
    std::optional<std::chrono::seconds> upstream_keeps_;  // for so long, it says

    int failed_status_ = 0;  // what the client is told when the upstream gave no answer
    std::string problem_;
    bool client_gone_ = false;
    steady_time drain_until_{};  // the client left, and the answer is read on to learn the true usage
    std::uint64_t drained_bytes_ = 0;
    bool uploading_ = false;
    steady_time uploaded_{};  // when the last of a body that came in pieces was sent
    bool stop_uploading_ = false;
    bool body_overdue_ = false;   // its client has sent nothing of it for body_timeout, but has its answer
    steady_time tunnel_moved_{};  // when a byte last passed through the tunnel, either way
    bool tunnel_broken_ = false;  // it was reset, fell silent or could not be written to: not ended by either side
    event upload_ended_;
};

}  // namespace proxy
