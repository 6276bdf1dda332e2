#include "tracking/store/redis_socket.hpp"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/un.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <vector>

namespace tracking::store {

namespace net = boost::asio;
using boost::system::error_code;

namespace {

constexpr auto as_result = net::as_tuple(net::use_awaitable);

// A key with a password would otherwise be asked for at the terminal.
int no_password(char*, int, int, void*) { return -1; }

std::string reason() {
    const char* const text = ERR_reason_error_string(ERR_peek_error());  // the first one: the others follow from it
    return text != nullptr ? text : "not usable";
}

std::string words_of(SSL* tls, const error_code& failed) {
    if (const long verdict = SSL_get_verify_result(tls); verdict != X509_V_OK)
        return std::string("its certificate: ") + X509_verify_cert_error_string(verdict);
    if (failed == net::error::eof || failed == net::ssl::error::stream_truncated)
        return "the connection was closed in the handshake";
    if (failed.category() == net::error::get_ssl_category() &&
        ERR_GET_REASON(static_cast<unsigned long>(failed.value())) == SSL_R_WRONG_VERSION_NUMBER)
        return "the answer is no TLS (a port without it? then redis://)";
    return failed.message();
}

}  // namespace

net::awaitable<error_code> redis_socket::connect(std::string unix_path) {
    if (unix_path.size() >= sizeof(sockaddr_un::sun_path)) co_return net::error::name_too_long;
    secured_.reset();
    const net::local::stream_protocol::endpoint place(unix_path);
    auto [error] = co_await socket_.async_connect(place, as_result);
    co_return error;
}

net::awaitable<error_code> redis_socket::connect(std::string host, std::uint16_t port) {
    using net::ip::tcp;
    secured_.reset();
    const auto before = closed_;
    error_code error;
    std::vector<tcp::endpoint> places;
    const auto address = net::ip::make_address(host, error);
    if (!error) {
        places.emplace_back(address, port);
    } else {
        tcp::resolver resolver(socket_.get_executor());
        auto [failed, found] = co_await resolver.async_resolve(host, std::to_string(port), as_result);
        if (failed) co_return failed;
        for (const auto& one : found) places.push_back(one.endpoint());
    }
    error = net::error::host_not_found;
    for (const auto& place : places) {
        if (closed_ != before) co_return net::error::operation_aborted;
        error_code ignored;
        socket_.close(ignored);
        auto [failed] = co_await socket_.async_connect(place, as_result);
        error = failed;
        if (!error || error == net::error::operation_aborted) break;  // aborted: its time is over
    }
    if (!error) socket_.set_option(tcp::no_delay(true), error);
    co_return error;
}

// Read anew for each connection: certificates are renewed while aimeter runs.
std::string redis_socket::make_context() {
    context_.emplace(net::ssl::context::tls_client);
    SSL_CTX* const by = context_->native_handle();
    ERR_clear_error();
    if (SSL_CTX_set_min_proto_version(by, TLS1_2_VERSION) != 1) return "cannot be set up";
    if (!trust_.ca_file.empty()) {
        if (SSL_CTX_load_verify_file(by, trust_.ca_file.c_str()) != 1)
            return "redis.ca_file: " + trust_.ca_file + ": " + reason();
    } else if (SSL_CTX_set_default_verify_paths(by) != 1) {
        return "the system's certificate authorities: " + reason();
    }
    SSL_CTX_set_verify(by, trust_.verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, nullptr);
    SSL_CTX_set_default_passwd_cb(by, no_password);
    if (trust_.cert.empty()) return {};
    if (SSL_CTX_use_certificate_chain_file(by, trust_.cert.c_str()) != 1)
        return "redis.cert: " + trust_.cert + ": " + reason();
    if (SSL_CTX_use_PrivateKey_file(by, trust_.key.c_str(), SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(by) != 1)
        return "redis.key: " + trust_.key + ": " + reason();
    return {};
}

// The certificate must be one for this host; a name (not an address) is also said in the handshake (RFC 6066, 3).
bool redis_socket::demand_host(const std::string& host) {
    SSL* const tls = secured_->native_handle();
    error_code no_address;
    net::ip::make_address(host, no_address);
    if (!no_address) return !trust_.verify || X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(tls), host.c_str()) == 1;
    if (SSL_set_tlsext_host_name(tls, host.c_str()) != 1) return false;
    SSL_set_hostflags(tls, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return !trust_.verify || SSL_set1_host(tls, host.c_str()) == 1;
}

net::awaitable<std::string> redis_socket::secure(std::string host) {
    if (std::string problem = make_context(); !problem.empty()) co_return problem;
    secured_.emplace(socket_, *context_);
    if (!demand_host(host)) co_return std::string("cannot be set up");
    const auto [failed] = co_await secured_->async_handshake(net::ssl::stream_base::client, as_result);
    if (!failed) co_return std::string();
    co_return words_of(secured_->native_handle(), failed);
}

net::awaitable<error_code> redis_socket::write(const std::string& bytes) {
    if (secured_) {
        const auto [error, written] = co_await net::async_write(*secured_, net::buffer(bytes), as_result);
        co_return error;
    }
    const auto [error, written] = co_await net::async_write(socket_, net::buffer(bytes), as_result);
    co_return error;
}

net::awaitable<std::pair<error_code, std::size_t>> redis_socket::read_some(net::mutable_buffer into) {
    if (!secured_) {
        const auto [error, size] = co_await socket_.async_read_some(into, as_result);
        co_return std::pair(error, size);
    }
    auto [error, size] = co_await secured_->async_read_some(into, as_result);
    if (error == net::ssl::error::stream_truncated) error = net::error::eof;
    co_return std::pair(error, size);
}

void redis_socket::close() {
    ++closed_;
    error_code ignored;
    socket_.close(ignored);
}

}  // namespace tracking::store
