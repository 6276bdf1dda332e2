#include "proxy/jwks_fetcher.hpp"

#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <utility>

namespace proxy {
namespace {

namespace net = boost::asio;
namespace http = boost::beast::http;
using namespace std::chrono_literals;
using boost::beast::tcp_stream;
using boost::system::error_code;
using steady_time = std::chrono::steady_clock::time_point;
using outcome = std::variant<jwks_answer, std::string>;
constexpr auto as_result = net::as_tuple(net::use_awaitable);

constexpr std::size_t body_bytes_max = 1024 * 1024;
constexpr std::uint32_t head_bytes_max = 32 * 1024;
constexpr auto address_deadline = 3s;  // of several addresses: one that is silent leaves time for the next
constexpr unsigned ok = 200;

std::string words(error_code ec) {
    if (ec == boost::beast::error::timeout) return "no answer in time";
    if (ec == http::error::body_limit) return "the answer is larger than 1 MiB";
    if (ec == http::error::end_of_stream || ec == http::error::partial_message) return "the answer ended early";
    return ec.message();
}

// A connection to the first address that takes one, with the deadline set; or an error.
net::awaitable<std::variant<tcp_stream, std::string>> connect(const conf::endpoint& to, steady_time deadline) {
    const auto executor = co_await net::this_coro::executor;
    net::ip::tcp::resolver resolver(executor);
    const std::string port = std::to_string(to.port);
    const auto [unknown, addresses] = co_await resolver.async_resolve(to.host, port, as_result);
    if (unknown) co_return "its name has no address: " + unknown.message();
    error_code last = boost::beast::error::timeout;
    for (const auto& address : addresses) {
        const auto now = std::chrono::steady_clock::now();
        if (now >= deadline) break;
        tcp_stream attempt(executor);
        attempt.expires_at(std::min(deadline, now + address_deadline));
        const auto [ec] = co_await attempt.async_connect(address.endpoint(), as_result);
        last = ec;
        if (ec) continue;
        attempt.expires_at(deadline);
        co_return std::move(attempt);
    }
    co_return "connecting: " + words(last);
}

// Sends the question and reads the answer, within the deadline that the stream carries.
template <class Stream>
net::awaitable<outcome> ask(Stream& stream, const conf::web_url& url) {
    http::request<http::empty_body> question(http::verb::get, url.target, 11);
    question.set(http::field::host, url.server.text);
    question.set(http::field::user_agent, "aimeter");
    question.set(http::field::accept, "application/json, application/jwk-set+json");
    question.set(http::field::connection, "close");
    const auto [unsent, sent_bytes] = co_await http::async_write(stream, question, as_result);
    if (unsent) co_return "asking: " + words(unsent);

    boost::beast::flat_buffer buffer;
    http::response_parser<http::string_body> parser;
    parser.header_limit(head_bytes_max);
    parser.body_limit(body_bytes_max);
    const auto [headless, head_bytes] = co_await http::async_read_header(stream, buffer, parser, as_result);
    if (headless) co_return words(headless);
    const auto& answer = parser.get();
    if (answer.result_int() != ok) co_return "the answer has status " + std::to_string(answer.result_int());
    const auto [cut, body_bytes] = co_await http::async_read(stream, buffer, parser, as_result);
    if (cut) co_return words(cut);
    co_return jwks_answer{answer.body(), std::string(answer[http::field::cache_control])};
}

// Whom to believe. The result is an error, or empty.
std::string trust(net::ssl::context& context, const std::string& ca_file) {
    error_code ec;
    context.set_verify_mode(net::ssl::verify_peer, ec);
    if (ec || SSL_CTX_set_min_proto_version(context.native_handle(), TLS1_2_VERSION) != 1)
        return "TLS cannot be set up";
    if (ca_file.empty()) {
        context.set_default_verify_paths(ec);
        return ec ? "the system's certificates: " + ec.message() : std::string();
    }
    context.load_verify_file(ca_file, ec);
    return ec ? "forward.ca_file: " + ec.message() : std::string();
}

// The certificate must be one for this host; a name (not an address) is also said in the handshake (RFC 6066).
bool demand_host(SSL* tls, const std::string& host) {
    error_code no_address;
    net::ip::make_address(host, no_address);
    if (!no_address) return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(tls), host.c_str()) == 1;
    SSL_set_hostflags(tls, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return SSL_set1_host(tls, host.c_str()) == 1 && SSL_set_tlsext_host_name(tls, host.c_str()) == 1;
}

net::awaitable<outcome> ask_over_tls(tcp_stream& stream, const jwks_question& what) {
    net::ssl::context context(net::ssl::context::tls_client);
    if (std::string problem = trust(context, what.ca_file); !problem.empty()) co_return problem;
    net::ssl::stream<tcp_stream&> secured(stream, context);
    if (!demand_host(secured.native_handle(), what.from.server.host)) co_return std::string("TLS cannot be set up");
    const auto [refused] = co_await secured.async_handshake(net::ssl::stream_base::client, as_result);
    if (refused) {
        const long verdict = SSL_get_verify_result(secured.native_handle());
        if (verdict != X509_V_OK) co_return std::string("its certificate: ") + X509_verify_cert_error_string(verdict);
        co_return "TLS: " + words(refused);
    }
    co_return co_await ask(secured, what.from);
}

}  // namespace

net::awaitable<outcome> fetch_jwks(jwks_question what) {
    const steady_time deadline = std::chrono::steady_clock::now() + what.within;
    auto connected = co_await connect(what.from.server, deadline);
    if (auto* problem = std::get_if<std::string>(&connected)) co_return std::move(*problem);
    auto& stream = std::get<tcp_stream>(connected);
    if (what.from.server.tls) co_return co_await ask_over_tls(stream, what);
    co_return co_await ask(stream, what.from);
}

}  // namespace proxy
