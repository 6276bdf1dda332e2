// Asks a server for a key set, once: GET over http:// or https://, with a deadline and a bound. Control's side of the
// house (Asio and Beast); never on a request's way. When to ask, and what becomes of the answer: jwks_refresher.hpp.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <string>
#include <variant>

#include "conf/values.hpp"

namespace proxy {

struct jwks_question {
    conf::web_url from;
    std::string ca_file;  // PEM; "" = the system's store
    std::chrono::milliseconds within{10'000};
};

struct jwks_answer {
    std::string body;           // 1 MiB at most
    std::string cache_control;  // the field's value; "" = none
};

// Only a complete answer with status 200 is one; redirects are not followed. A certificate must be valid for the URL's
// host and lead to a trusted authority, with TLS 1.2 at least. The string says what went wrong; it may hold words of
// the server. The deadline holds for connecting, TLS and reading together, but a name server that hangs is waited for
// as long as the system's resolver does.
boost::asio::awaitable<std::variant<jwks_answer, std::string>> fetch_jwks(jwks_question what);

}  // namespace proxy
