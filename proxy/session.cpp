#include "proxy/session.hpp"

#include <spdlog/spdlog.h>

#include <array>

#include "proxy/admin_answer.hpp"
#include "proxy/errors.hpp"
#include "proxy/write_all.hpp"

namespace proxy {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t max_admin_body = 1024 * 1024;
constexpr int max_empty_lines = 2;                         // before a request
constexpr std::chrono::milliseconds linger_draining = 1s;  // the silence that is waited for while the worker drains

struct admin_answer {
    event ready;
    admin::response response;
};

}  // namespace

session::session(worker_parts& parts, std::shared_ptr<stream> client, accepted_from from)
    : parts_(parts),
      client_(std::move(client)),
      peer_(std::move(from.peer)),
      peer_address_(tracking::cidr_set::parse_peer(peer_)),
      role_(from.role),
      received_(parts.buffers) {}

session::~session() { client_->close(); }

void session::drain() noexcept {
    if (greeting_ || (idle_ && client_->quiet_now())) client_->cancel_read();
}

task<> session::run() {
    if (client_->tls() != nullptr && !co_await greet()) co_return;
    for (bool first = true;; first = false) {
        if (!co_await await_request(first)) co_return client_->leave();
        const head_status status = co_await read_head();
        if (status == head_status::incomplete) co_return;  // the client left, or was told why not
        if (status != head_status::complete) {
            const int answer = status == head_status::target_too_long       ? 414
                               : status == head_status::too_large           ? 431
                               : status == head_status::version_unsupported ? 505
                                                                            : 400;
            if (parser_.has_start_line()) record_refusal(answer, parser_.problem());
            co_await refuse(answer, parser_.problem());
            co_return;
        }
        const bool stays = co_await serve();
        rules_.reset();
        if (!client_->is_open()) co_return;
        if (!stays || (parts_.draining && !parts_.idle_may_ask && received_.empty())) break;
    }
    co_await close_gently();
}

// The TLS handshake; false = the connection is over.
task<bool> session::greet() {
    rules_ = parts_.in_force;
    greeting_ = true;
    const io_error shaken = co_await shake_hands(*client_, rules_->settings.limits.header_timeout);
    greeting_ = false;
    if (shaken == io_error::none) co_return true;
    if (client_->is_open() && client_->tls()->spoke_http()) {
        client_->give_up_tls();
        co_await refuse(400, "a plain HTTP request was sent to an HTTPS port");
    }
    co_return false;
}

// Waits until a request begins; false = the connection is over.
task<bool> session::await_request(bool first) {
    rules_ = parts_.in_force;
    empty_lines_ = 0;
    drop_empty_lines();
    if (!received_.empty()) received_.compact();  // pipelined: it came behind the one before
    while (received_.empty()) {
        if (!co_await await_bytes(first)) co_return false;
        const io_result got = client_->try_read(received_.room());
        if (!got && got.error != io_error::would_block) {
            client_->close();
            co_return false;
        }
        received_.filled(got.bytes);
        drop_empty_lines();
    }
    note_arrival();
    co_return true;
}

// Some clients send an empty line behind a body, long before their next request: that is when they fall idle, and not
// when they ask (RFC 9112, 2.2).
void session::drop_empty_lines() noexcept {
    constexpr std::string_view empty_line = "\r\n";
    for (; empty_lines_ < max_empty_lines && received_.view().starts_with(empty_line); ++empty_lines_)
        received_.consume(empty_line.size());
}

// Waits idle, holding no buffer.
task<bool> session::await_bytes(bool first) {
    received_.release();
    if (parts_.draining && !parts_.idle_may_ask) co_return false;
    const auto& limits = rules_->settings.limits;
    idle_ = true;
    io_error waited = io_error::none;
    do {
        waited = co_await client_->readable(first ? limits.header_timeout : limits.idle_timeout);
    } while (waited == io_error::none && client_->tls() != nullptr && client_->quiet_now());  // a new key, no request
    idle_ = false;
    rules_ = parts_.in_force;  // it may have changed meanwhile
    co_return waited == io_error::none;
}

void session::note_arrival() {
    arrived_ = parts_.clock.steady();
    arrived_us_ = parts_.clock.wall_us();
}

// The whole head must be there within header_timeout, however slowly it drips. `incomplete` = the connection is over.
task<head_status> session::read_head() {
    const auto& limits = rules_->settings.limits;
    const head_limits bounds{limits.header_bytes, limits.header_fields, max_empty_lines - empty_lines_};
    const auto deadline = arrived_ + limits.header_timeout;
    parser_.reset();
    head_.method = {};  // of the request before
    for (;;) {
        if (!received_.empty()) {
            const head_status status = parser_.feed(received_.view(), head_, bounds);
            if (status != head_status::incomplete) co_return status;
        }
        if (received_.room().empty()) received_.reserve(received_.size() + buffer_pool::block_bytes);
        const io_result got = client_->try_read(received_.room());
        if (got) {
            received_.filled(got.bytes);
            continue;
        }
        if (got.error != io_error::would_block) co_return head_status::incomplete;
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
        const io_error waited = co_await client_->readable(std::max(left, 1ms));
        // Empty lines behind a request are no request: its client waits for nothing.
        const bool begun = received_.view().find_first_not_of("\r\n") != std::string_view::npos;
        if (waited == io_error::timed_out && begun) {
            constexpr const char* problem = "the request's head did not arrive in time";
            parser_.feed(received_.view(), head_, bounds);  // its bytes may have moved
            if (parser_.has_start_line()) record_refusal(408, problem);
            head_.method = {};
            co_await refuse(408, problem);
            co_return head_status::incomplete;
        }
        if (waited != io_error::none) co_return head_status::incomplete;
    }
}

std::string_view session::request_id() {
    request_id_ = usable_request_id(head_);
    if (request_id_.empty()) request_id_ = tracking::to_text(tracking::make_uuid7(arrived_us_));
    return request_id_;
}

// Null = the request is not tracked.
const route* session::route_of_request() {
    if (!rules_->routes.tracks_method(head_.method)) return nullptr;
    const std::string_view host =
        rules_->provider_host.empty() ? head_.value(field_id::host) : std::string_view(rules_->provider_host);
    const route& way = parts_.routes.find(rules_->routes, host, head_.target);
    return way.tracked ? &way : nullptr;
}

// A tracked request that comes no further is recorded as well, as far as its head told what it is.
void session::record_refusal(int status, std::string problem) {
    const route* const way = role_ == listener_role::admin ? nullptr : route_of_request();
    if (way == nullptr) return;
    auto of = parts_.meters.take();
    of->begin(*rules_, {head_, *way, peer_, rules_->trusts(peer_address_), request_id(), arrived_, arrived_us_},
              *parts_.seen_tokens, parts_.scanners);
    parts_.ended.add({.by = rules_,
                      .meter = std::move(of),
                      .how = {.result = tracking::outcome::error, .status = status, .problem = std::move(problem)},
                      .at = parts_.clock.steady(),
                      .held = buffer(parts_.buffers),
                      .last_piece = {},
                      .answer_ended = {}});
}

task<bool> session::serve() {
    rules_ = parts_.in_force;  // those of this moment decide about the whole request
    const framing_verdict verdict = check_request(head_);
    if (verdict.refusal != 0) {
        record_refusal(verdict.refusal, verdict.problem);
        co_await refuse(verdict.refusal, verdict.problem);
        co_return false;
    }
    const conf::settings& settings = rules_->settings;
    const auto absolute = split_absolute(head_.target);
    const std::string_view path = absolute ? absolute->path : head_.target;
    const bool here = role_ == listener_role::admin || !settings.admin.listen;
    if (here && admin::owns(settings.admin, path, role_ == listener_role::admin))
        co_return co_await serve_admin(verdict.body);
    if (role_ == listener_role::admin) {
        co_await refuse(404, "this listener serves the admin endpoints only");
        co_return false;
    }
    if (may_go_no_further(head_)) {
        co_await send(plain_response(200, allowed_methods, {}, false, false));
        co_return false;
    }
    exchange one(parts_, rules_,
                 {.client = *client_,
                  .received = received_,
                  .head_length = parser_.length(),
                  .head = head_,
                  .body = verdict.body,
                  .peer = peer_,
                  .peer_trusted = rules_->trusts(peer_address_),
                  .request_id = request_id(),
                  .arrived = arrived_,
                  .arrived_us = arrived_us_,
                  .way = route_of_request()});
    co_return co_await one.run();
}

// ---- Admin requests ---------------------------------------------------------------------------------------------

// `awaited`: its client sends it when it is told to (RFC 9110, 10.1.1).
task<bool> session::read_admin_body(body_framing framing, bool awaited, std::string& into) {
    body_reader reader;
    reader.begin(framing, rules_->settings.limits.header_bytes, body_of::request);
    while (!reader.done()) {
        const auto piece = reader.take(received_.bytes());
        into.append(piece.payload);
        received_.consume(piece.consumed);
        if (reader.failed()) co_return co_await refuse(400, reader.problem()), false;
        if (into.size() > max_admin_body)
            co_return co_await refuse(413, "the request body is larger than allowed"), false;
        if (reader.done()) break;
        if (std::exchange(awaited, false) && !co_await send("HTTP/1.1 100 Continue\r\n\r\n")) co_return false;
        const io_error waited = co_await client_->readable(rules_->settings.limits.body_timeout);
        if (waited == io_error::timed_out)
            co_return co_await refuse(408, "the request body did not arrive in time"), false;
        if (waited != io_error::none) co_return false;
        const io_result got = client_->try_read(received_.room());
        if (got) received_.filled(got.bytes);
        if (!got && got.error != io_error::would_block) co_return false;
    }
    co_return true;
}

// Control answers; the connection stays here, since page and application share it.
task<bool> session::serve_admin(body_framing framing) {
    admin::request question;
    question.method = head_.method;
    const auto absolute = split_absolute(head_.target);
    question.target = absolute ? absolute->path : head_.target;
    question.peer = peer_;
    for (const auto& [name, value] : head_.fields) {
        std::string lower(name);
        for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
        if (lower == "upgrade" && head_.minor_version == 0) continue;  // not a client's to ask (RFC 9110, 7.8)
        question.headers.emplace_back(std::move(lower), value);
    }
    const bool to_head = head_.method == "HEAD";
    const int minor_version = head_.minor_version;
    const bool stays = wants_keep_alive(head_) && head_.minor_version == 1 && !parts_.draining;
    const bool awaited =
        minor_version != 0 && tracking::equals_ignoring_case(head_.value(field_id::expect), "100-continue");
    received_.consume(parser_.length());
    head_.method = {};  // its bytes go
    if (!co_await read_admin_body(framing, awaited, question.body)) co_return false;

    const auto answer = std::make_shared<admin_answer>();
    parts_.ask_control(std::move(question), [answer](admin::response response) {
        answer->response = std::move(response);
        answer->ready.set();
    });
    co_await answer->ready;
    if (answer->response.live_place) co_return co_await serve_live(std::move(answer->response)), false;
    const conf::settings& settings = rules_->settings;
    const admin_client to{.parts = parts_,
                          .client = *client_,
                          .received = received_,
                          .timeout = settings.limits.body_timeout,
                          .minor_version = minor_version,
                          .to_head = to_head,
                          .stays = stays,
                          .half_close = settings.forward.half_close};
    co_return co_await send_answer(to, std::move(answer->response));
}

// From here on the connection speaks WebSocket. It may stay for days, and rules may change meanwhile: it keeps none.
task<> session::serve_live(admin::response answer) {
    if (!co_await send(answer_head(answer.status, field_lines(answer), {}, true))) co_return;
    const live_socket::timing times{rules_->settings.admin.live_ping, rules_->settings.limits.body_timeout};
    rules_.reset();
    live_socket one(parts_.live, *client_, received_, times);
    co_await one.run();
}

// ---- Answers of the session's own -------------------------------------------------------------------------------

task<bool> session::send(std::string response) {
    std::array<iovec, 1> pieces{piece_of(response)};
    const io_result sent = co_await write_all(*client_, pieces, rules_->settings.limits.body_timeout);
    co_return static_cast<bool>(sent);
}

// What comes behind a message that cannot be understood is not looked at: the connection ends.
task<> session::refuse(int status, std::string_view problem) {
    const bool to_head = head_.method == "HEAD";
    if (co_await send(problem_response(status, problem, {}, false, to_head))) co_await close_gently();
}

// Closing with unread bytes would send RST, which can take the answer away before it is read (RFC 9112, 9.6): end our
// side, then read what is still coming.
task<> session::close_gently() {
    client_->shutdown_send();
    const conf::limits_settings& limits = parts_.in_force->settings.limits;
    const auto deadline = std::chrono::steady_clock::now() + limits.linger_time;
    const auto silence = parts_.draining ? std::min(linger_draining, limits.linger_timeout) : limits.linger_timeout;
    received_.release();
    idle_ = true;  // drain() may end it
    for (;;) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
        if (left <= 0ms || co_await client_->readable(std::min(left, silence)) != io_error::none) break;
        const io_result got = client_->try_read(received_.room());
        if (!got && got.error != io_error::would_block) break;
        received_.release();
    }
    client_->close();
}

detached run_session(worker_parts& parts, std::shared_ptr<stream> client, accepted_from from,
                     std::unordered_set<session*>& sessions, void (*ended)(void*), void* worker) {
    {
        session one(parts, std::move(client), std::move(from));
        sessions.insert(&one);
        try {
            co_await one.run();
        } catch (const std::exception& problem) {  // an unhandled error affects this connection only
            spdlog::error("session: {}", problem.what());
        }
        sessions.erase(&one);
    }
    ended(worker);
}

}  // namespace proxy
