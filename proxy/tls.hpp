// What TLS is done by: the certificate for clients, the trust in upstreams. Made by control from the settings and
// immutable from then on; all workers share them, which costs each connection an atomic count and a request nothing.
#pragma once

#include <openssl/types.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "conf/config.hpp"
#include "proxy/stream.hpp"
#include "proxy/task.hpp"

namespace proxy {

using tls_context = std::shared_ptr<SSL_CTX>;

// For clients, with the files of [tls]: TLS from tls.min_version on, ALPN http/1.1 (RFC 7301: a client that offers only
// others is refused), sessions resumed by tickets whose keys live as long as the context. With several certificates the
// client's server name (RFC 6066, 3) chooses among the names in them; the first is for all other clients. Null when no
// certificate is set; the string says what is wrong.
std::variant<tls_context, std::string> make_server_tls(const conf::tls_settings& settings);
// Of each certificate of a context that make_server_tls() made: the first name in it ("" = it has none), and when it
// ceases to be valid, in ms since the epoch.
struct certificate_end {
    std::string name;
    std::int64_t at_ms = 0;
};
std::vector<certificate_end> certificate_ends(const tls_context& server);
// For https:// upstreams: the certificate and the host name are verified unless forward.verify is off.
std::variant<tls_context, std::string> make_client_tls(const conf::forward_settings& settings);

struct tls_contexts {
    tls_context server;
    tls_context client;  // null = no upstream is https://
    std::string trust;   // what `client` trusts: equal texts stand for equal contexts
};
// Both, as a configuration asks for them. A client context of `before` that would come out the same is used again, so
// that what was connected by it stays in use.
std::variant<tls_contexts, std::string> make_tls(const conf::settings& settings, const tls_contexts& before = {});

// The handshake of a stream that secure() was called on. none = done; timed_out; closed; otherwise it failed, and
// the stream's tls()->problem() says why. The timeout is for all of it.
task<io_error> shake_hands(stream& on, std::chrono::milliseconds timeout);

}  // namespace proxy
