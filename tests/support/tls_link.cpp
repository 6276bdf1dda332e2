#include "tests/support/tls_link.hpp"

#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>

#include <cstdlib>
#include <stdexcept>

#include "tests/support/child_process.hpp"

namespace tests {
namespace {

std::string wire(const std::vector<std::string>& protocols) {
    std::string out;
    for (const auto& one : protocols) out += static_cast<char>(one.size()) + one;
    return out;
}

int choose(SSL*, const unsigned char** chosen, unsigned char* size, const unsigned char* offered,
           unsigned int offered_size, void* options) {
    const std::string own = wire(static_cast<tls_options*>(options)->alpn);
    unsigned char* found = nullptr;  // of the client's list, which outlives this call
    const int did =
        SSL_select_next_proto(&found, size, offered, offered_size, reinterpret_cast<const unsigned char*>(own.data()),
                              static_cast<unsigned>(own.size()));
    *chosen = found;
    return did == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

// The last session stays with the context, for the next link.
int session_slot() {
    static const int slot = SSL_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr,
                                                     [](void*, void* kept, CRYPTO_EX_DATA*, int, long, void*) {
                                                         SSL_SESSION_free(static_cast<SSL_SESSION*>(kept));
                                                     });
    return slot;
}

int keep(SSL* ssl, SSL_SESSION* session) {
    SSL_CTX* const by = SSL_get_SSL_CTX(ssl);
    SSL_SESSION_free(static_cast<SSL_SESSION*>(SSL_CTX_get_ex_data(by, session_slot())));
    SSL_CTX_set_ex_data(by, session_slot(), session);
    return 1;
}

template <typename Parse>
auto parse(const std::string& pem, Parse read) {
    const std::unique_ptr<BIO, decltype(&BIO_free)> from(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())),
                                                         &BIO_free);
    return read(from.get(), nullptr, nullptr, nullptr);
}

void use_own(SSL_CTX* by, const certificate& own) {
    X509* const cert = parse(own.cert, PEM_read_bio_X509);
    EVP_PKEY* const key = parse(own.key, PEM_read_bio_PrivateKey);
    const bool fine = SSL_CTX_use_certificate(by, cert) == 1 && SSL_CTX_use_PrivateKey(by, key) == 1;
    X509_free(cert);
    EVP_PKEY_free(key);
    if (!fine) throw std::runtime_error("certificate and key do not fit");
}

}  // namespace

tls_side::tls_side(tls_options options)
    : options_(std::make_shared<tls_options>(std::move(options))),
      context_(SSL_CTX_new(options_->own ? TLS_server_method() : TLS_client_method()), &SSL_CTX_free) {
    ::signal(SIGPIPE, SIG_IGN);  // OpenSSL's sockets do not keep it away
    SSL_CTX* const by = context_.get();
    SSL_CTX_set_mode(by, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    if (options_->most_version != 0 && options_->most_version < TLS1_2_VERSION)
        SSL_CTX_set_cipher_list(by, "DEFAULT@SECLEVEL=0");  // what is asked for is not to be refused on this side
    SSL_CTX_set_min_proto_version(by, options_->least_version);
    SSL_CTX_set_max_proto_version(by, options_->most_version);
    if (options_->own) {
        use_own(by, *options_->own);
        SSL_CTX_set_alpn_select_cb(by, choose, options_.get());
        return;
    }
    const std::string offered = wire(options_->alpn);
    if (!offered.empty())
        SSL_CTX_set_alpn_protos(by, reinterpret_cast<const unsigned char*>(offered.data()),
                                static_cast<unsigned>(offered.size()));
    SSL_CTX_set_session_cache_mode(by, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(by, keep);
}

tls_link::tls_link(const tls_side& side, const descriptor& socket) : socket_(socket), ssl_(SSL_new(side.get())) {
    ::fcntl(socket.get(), F_SETFL, ::fcntl(socket.get(), F_GETFL) | O_NONBLOCK);
    SSL_set_fd(ssl_, socket.get());
    if (side.options().own) {
        SSL_set_accept_state(ssl_);
        return;
    }
    SSL_set_connect_state(ssl_);
    if (!side.options().server_name.empty()) SSL_set_tlsext_host_name(ssl_, side.options().server_name.c_str());
    if (auto* kept = static_cast<SSL_SESSION*>(SSL_CTX_get_ex_data(side.get(), session_slot())))
        SSL_set_session(ssl_, kept);
}

tls_link::~tls_link() {
    SSL_set_shutdown(ssl_, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(ssl_);
}

// Waits for what OpenSSL wants; over = the time is.
tls_link::next tls_link::after(int returned, clock::time_point until, int wake) {
    const int error = SSL_get_error(ssl_, returned);
    if (error == SSL_ERROR_WANT_READ) return wait_for(socket_.get(), POLLIN, until, wake) ? next::again : next::over;
    if (error == SSL_ERROR_WANT_WRITE) return wait_for(socket_.get(), POLLOUT, until, wake) ? next::again : next::over;
    const unsigned long why = ERR_peek_last_error();
    const bool cut = ERR_GET_REASON(why) == SSL_R_UNEXPECTED_EOF_WHILE_READING;
    ended_ = error == SSL_ERROR_ZERO_RETURN ? ending::fin : cut ? ending::cut : ending::rst;
    lost_ = error != SSL_ERROR_ZERO_RETURN;
    if (why != 0) failure_ = ERR_reason_error_string(why);
    return next::ended;
}

bool tls_link::shake_hands(clock::time_point until, int wake) {
    for (;;) {
        ERR_clear_error();
        const int did = SSL_do_handshake(ssl_);
        if (did == 1) return true;
        if (after(did, until, wake) != next::again) return false;
    }
}

read_outcome tls_link::read_some(char* to, std::size_t size, clock::time_point until, int wake) {
    while (ended_ == ending::none) {
        ERR_clear_error();
        std::size_t n = 0;
        const int did = SSL_read_ex(ssl_, to, size, &n);
        if (did == 1) return {n, ending::none};
        if (after(did, until, wake) == next::over) return {};
    }
    return {0, ended_};
}

std::size_t tls_link::write_all(std::string_view bytes, clock::time_point until, int wake) {
    std::size_t sent = 0;
    while (sent < bytes.size() && !lost_) {
        ERR_clear_error();
        std::size_t n = 0;
        const int did = SSL_write_ex(ssl_, bytes.data() + sent, bytes.size() - sent, &n);
        sent += n;
        if (did != 1 && after(did, until, wake) != next::again) break;
    }
    return sent;
}

void tls_link::say_end() {
    ERR_clear_error();
    if (!lost_ && SSL_in_init(ssl_) == 0) SSL_shutdown(ssl_);
}

void tls_link::ask_new_key() { SSL_key_update(ssl_, SSL_KEY_UPDATE_REQUESTED); }

void tls_link::send_ticket() {
    SSL_new_session_ticket(ssl_);
    SSL_do_handshake(ssl_);
}

bool tls_link::resumed() const { return SSL_session_reused(ssl_) == 1; }

std::string tls_link::alpn() const {
    const unsigned char* name = nullptr;
    unsigned size = 0;
    SSL_get0_alpn_selected(ssl_, &name, &size);
    return {reinterpret_cast<const char*>(name), size};
}

std::string tls_link::server_name() const {
    const char* const name = SSL_get_servername(ssl_, TLSEXT_NAMETYPE_host_name);
    return name == nullptr ? "" : name;
}

std::string tls_link::peer_name() const {
    const X509* const cert = SSL_get0_peer_certificate(ssl_);
    char name[256] = "";
    if (cert != nullptr) X509_NAME_get_text_by_NID(X509_get_subject_name(cert), NID_commonName, name, sizeof name);
    return name;
}

const tls_everywhere* tls_everywhere::get() {
    if (std::getenv("AIMETER_TEST_TLS") == nullptr) return nullptr;
    static const temp_dir folder;
    static const tls_everywhere one = [] {
        const test_authority authority;
        const certificate own = authority.issue();
        const std::string at = folder.path() + "/";
        write_file(at + "cert.pem", own.cert);
        write_file(at + "key.pem", own.key);
        write_file(at + "ca.pem", authority.pem());
        return tls_everywhere{.client = tls_side({}),
                              .server = tls_side({.own = own}),
                              .cert_file = at + "cert.pem",
                              .key_file = at + "key.pem",
                              .ca_file = at + "ca.pem"};
    }();
    return &one;
}

}  // namespace tests
