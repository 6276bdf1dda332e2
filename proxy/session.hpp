// One client connection: read a head, check it, hand it to the exchange (or to the admin endpoints), and again while
// the connection stays. Started by the listener; runs as one coroutine on its worker until the connection ends.
#pragma once

#include <memory>
#include <string>
#include <unordered_set>

#include "proxy/exchange.hpp"
#include "proxy/worker_parts.hpp"

namespace proxy {

enum class listener_role : std::uint8_t { proxy, admin };  // admin: admin.listen, which serves nothing else

struct accepted_from {
    std::string peer;  // address; "" for a unix socket
    listener_role role = listener_role::proxy;
};

class session {
public:
    session(worker_parts& parts, std::shared_ptr<stream> client, accepted_from from);
    ~session();
    session(const session&) = delete;
    session& operator=(const session&) = delete;

    task<> run();
    // The worker drains: a connection that waits for its next request ends now.
    void drain() noexcept;

private:
    task<bool> greet();
    task<bool> await_request(bool first);
    task<bool> await_bytes(bool first);
    void drop_empty_lines() noexcept;
    task<head_status> read_head();
    task<bool> serve();
    task<bool> serve_admin(body_framing body);
    task<> serve_live(admin::response answer);
    task<bool> read_admin_body(body_framing body, bool awaited, std::string& into);
    task<> refuse(int status, std::string_view problem);
    task<bool> send(std::string response);
    task<> close_gently();
    void note_arrival();
    void record_refusal(int status, std::string problem);
    std::string_view request_id();
    const route* route_of_request();

    worker_parts& parts_;
    std::shared_ptr<stream> client_;
    std::string peer_;
    std::optional<tracking::cidr_set::address> peer_address_;  // none for a unix socket
    listener_role role_;
    buffer received_;
    request_head head_;
    request_parser parser_;
    std::shared_ptr<const rules> rules_;
    std::string request_id_;  // a copy: the head moves when more of its request arrives
    steady_time arrived_{};
    std::int64_t arrived_us_ = 0;
    bool greeting_ = false;
    bool idle_ = false;
    int empty_lines_ = 0;  // dropped before the request
};

// Serves the connection from now on; the coroutine owns its session and frees itself.
detached run_session(worker_parts& parts, std::shared_ptr<stream> client, accepted_from from,
                     std::unordered_set<session*>& sessions, void (*ended)(void*), void* worker);

}  // namespace proxy
