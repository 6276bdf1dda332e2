#include "proxy/tls_channel.hpp"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <new>
#include <utility>

namespace proxy {

// The socket below OpenSSL. Its own socket BIO would do, but for two things: it raises SIGPIPE, and it does not tell
// that a read took less than there was room for, which saves asking once more after every record.
struct socket_bio {
    static tls_channel& owner(BIO* bio) noexcept { return *static_cast<tls_channel*>(BIO_get_data(bio)); }

    static int read(BIO* bio, char* into, int size) noexcept {
        tls_channel& me = owner(bio);
        BIO_clear_retry_flags(bio);
        ssize_t n = 0;
        do n = ::recv(me.descriptor_, into, static_cast<std::size_t>(size), MSG_DONTWAIT);
        while (n < 0 && errno == EINTR);
        me.socket_ended_ = n == 0;
        me.socket_empty_ = n < size;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) BIO_set_retry_read(bio);
        return static_cast<int>(n);
    }

    static int write(BIO* bio, const char* from, int size) noexcept {
        BIO_clear_retry_flags(bio);
        ssize_t n = 0;
        do n = ::send(owner(bio).descriptor_, from, static_cast<std::size_t>(size), MSG_DONTWAIT | MSG_NOSIGNAL);
        while (n < 0 && errno == EINTR);
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) BIO_set_retry_write(bio);
        return static_cast<int>(n);
    }

    static long control(BIO*, int command, long, void*) noexcept { return command == BIO_CTRL_FLUSH ? 1 : 0; }

    static const BIO_METHOD* method() noexcept {
        static BIO_METHOD* const made = [] {
            BIO_METHOD* one = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "proxy socket");
            if (one == nullptr) return one;
            BIO_meth_set_read(one, &socket_bio::read);
            BIO_meth_set_write(one, &socket_bio::write);
            BIO_meth_set_ctrl(one, &socket_bio::control);
            return one;
        }();
        return made;
    }
};

namespace {

constexpr std::size_t record_bytes = SSL3_RT_MAX_PLAIN_LENGTH;

// What the next record carries: the first piece where it fills one, else as much of all as fits, side by side. OpenSSL
// has encrypted a record that did not go out, so that only its content must be the same at the next try.
std::span<const char> next_record(std::span<const iovec> pieces) noexcept {
    const auto whole = [](const iovec& piece) {
        return std::span(static_cast<const char*>(piece.iov_base), piece.iov_len);
    };
    while (!pieces.empty() && pieces.front().iov_len == 0) pieces = pieces.subspan(1);
    if (pieces.empty()) return {};
    const std::span<const char> first = whole(pieces.front());
    if (pieces.size() == 1 || first.size() >= record_bytes) return first.first(std::min(first.size(), record_bytes));
    thread_local std::array<char, record_bytes> gathered;
    std::size_t filled = 0;
    for (const iovec& piece : pieces) {
        const std::size_t n = std::min(piece.iov_len, gathered.size() - filled);
        std::copy_n(static_cast<const char*>(piece.iov_base), n, gathered.data() + filled);
        filled += n;
    }
    return std::span(gathered).first(filled);
}

bool is_address(const std::string& name) noexcept {
    ASN1_OCTET_STRING* const parsed = a2i_IPADDRESS(name.c_str());
    ASN1_OCTET_STRING_free(parsed);
    return parsed != nullptr;
}

// Called by OpenSSL when a session can be resumed: with TLS 1.3 whenever a ticket arrives. 1 = it was taken over.
int keep_session(SSL* ssl, SSL_SESSION* fresh) noexcept {
    auto* kept = static_cast<tls_session*>(SSL_get_app_data(ssl));
    if (kept == nullptr) return 0;
    kept->keep(fresh);
    return 1;
}

}  // namespace

void remember_sessions(SSL_CTX& of_client) noexcept { SSL_CTX_sess_set_new_cb(&of_client, keep_session); }

tls_session::~tls_session() { SSL_SESSION_free(last_); }

void tls_session::keep(SSL_SESSION* fresh) noexcept { SSL_SESSION_free(std::exchange(last_, fresh)); }

tls_channel::tls_channel(SSL_CTX& by, int descriptor) : ssl_(SSL_new(&by)), descriptor_(descriptor) {
    BIO* const socket = BIO_new(socket_bio::method());
    if (ssl_ == nullptr || socket == nullptr) {
        SSL_free(ssl_);
        BIO_free(socket);
        throw std::bad_alloc();
    }
    BIO_set_data(socket, this);
    BIO_set_init(socket, 1);
    SSL_set_bio(ssl_, socket, socket);
    SSL_set_mode(ssl_, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    SSL_set_read_ahead(ssl_, 1);  // one read for a record's head and its content
}

// Without the flags a connection that is merely closed would make its session unfit for the next one.
tls_channel::~tls_channel() {
    SSL_set_shutdown(ssl_, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(ssl_);
}

std::unique_ptr<tls_channel> tls_channel::of_server(SSL_CTX& by, int descriptor) {
    std::unique_ptr<tls_channel> made(new tls_channel(by, descriptor));
    SSL_set_accept_state(made->ssl_);
    return made;
}

std::unique_ptr<tls_channel> tls_channel::of_client(SSL_CTX& by, int descriptor, const std::string& name,
                                                    std::shared_ptr<tls_session> kept) {
    std::unique_ptr<tls_channel> made(new tls_channel(by, descriptor));
    SSL* const ssl = made->ssl_;
    SSL_set_connect_state(ssl);
    X509_VERIFY_PARAM* const checks = SSL_get0_param(ssl);
    X509_VERIFY_PARAM_set_hostflags(checks, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    const bool address = is_address(name);
    const int set = address ? X509_VERIFY_PARAM_set1_ip_asc(checks, name.c_str())
                            : X509_VERIFY_PARAM_set1_host(checks, name.c_str(), name.size());
    // An address is never sent as the server's name (RFC 6066, 3).
    if (set != 1 || (!address && SSL_set_tlsext_host_name(ssl, name.c_str()) != 1)) throw std::bad_alloc();
    made->kept_ = std::move(kept);
    SSL_set_app_data(ssl, made->kept_.get());
    if (made->kept_ && made->kept_->get() != nullptr) SSL_set_session(ssl, made->kept_->get());
    return made;
}

tls_channel::state tls_channel::judge(int returned) noexcept {
    switch (SSL_get_error(ssl_, returned)) {
        case SSL_ERROR_WANT_READ:
            return state::wants_read;
        case SSL_ERROR_WANT_WRITE:
            return state::wants_write;
        case SSL_ERROR_ZERO_RETURN:
            return state::end;
        case SSL_ERROR_SYSCALL:
            return socket_ended_ ? state::truncated : state::failed;
        default:
            return state::failed;
    }
}

tls_channel::state tls_channel::shake_hands() noexcept {
    ERR_clear_error();
    errno = 0;
    const int did = SSL_do_handshake(ssl_);
    if (did == 1) return state::done;
    const int system_error = errno;
    const state now = judge(did);
    if (now == state::wants_read || now == state::wants_write) return now;
    system_error_ = system_error;
    error_ = ERR_peek_last_error();
    write_failed_ = true;
    return reading_ = now == state::end ? state::truncated : now;
}

tls_channel::result tls_channel::read(std::span<char> into) noexcept {
    if (reading_ != state::done) return {0, reading_};
    ERR_clear_error();
    std::size_t n = 0;
    const int did = SSL_read_ex(ssl_, into.data(), into.size(), &n);
    if (did == 1) return {n, state::done};
    const state now = judge(did);
    if (now != state::wants_read && now != state::wants_write) reading_ = now;
    return {0, now};
}

tls_channel::result tls_channel::write(std::span<const iovec> pieces) noexcept {
    if (write_failed_) return {0, state::failed};
    const std::span<const char> record = next_record(pieces);
    if (record.empty()) return {};
    ERR_clear_error();
    std::size_t n = 0;
    const int did = SSL_write_ex(ssl_, record.data(), record.size(), &n);
    if (did == 1) return {n, state::done};
    const state now = judge(did);
    if (now == state::wants_read || now == state::wants_write) return {0, now};
    write_failed_ = true;
    return {0, state::failed};
}

tls_channel::state tls_channel::look() noexcept {
    if (reading_ != state::done) return reading_;
    ERR_clear_error();
    char byte = 0;
    std::size_t n = 0;
    const int did = SSL_peek_ex(ssl_, &byte, 1, &n);
    if (did == 1) return state::done;
    const state now = judge(did);
    if (now != state::wants_read && now != state::wants_write) reading_ = now;
    return now;
}

tls_channel::state tls_channel::say_end() noexcept {
    if (write_failed_ || reading_ == state::failed || SSL_in_init(ssl_) != 0) return state::done;
    ERR_clear_error();
    const int did = SSL_shutdown(ssl_);
    return did < 0 && judge(did) == state::wants_write ? state::wants_write : state::done;
}

bool tls_channel::drained() const noexcept { return socket_empty_ && SSL_has_pending(ssl_) == 0; }

const SSL_CTX* tls_channel::context() const noexcept { return SSL_get_SSL_CTX(ssl_); }

bool tls_channel::spoke_http() const noexcept {
    return ERR_GET_LIB(error_) == ERR_LIB_SSL && ERR_GET_REASON(error_) == SSL_R_HTTP_REQUEST;
}

std::string tls_channel::problem() const {
    const int reason = ERR_GET_LIB(error_) == ERR_LIB_SSL ? ERR_GET_REASON(error_) : 0;
    if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED) {
        const long why = SSL_get_verify_result(ssl_);
        if (why == X509_V_ERR_HOSTNAME_MISMATCH) return "the certificate's host name does not match";
        if (why == X509_V_ERR_IP_ADDRESS_MISMATCH) return "the certificate's IP address does not match";
        return std::string("the certificate is not accepted: ") + X509_verify_cert_error_string(why);
    }
    if (reason != 0 && ERR_reason_error_string(error_) != nullptr) return ERR_reason_error_string(error_);
    if (reading_ == state::truncated) return "the peer closed the connection";
    return system_error_ != 0 ? std::strerror(system_error_) : "it failed";
}

}  // namespace proxy
