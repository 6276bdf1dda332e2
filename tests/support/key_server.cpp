#include "tests/support/key_server.hpp"

#include <openssl/bio.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <array>
#include <csignal>
#include <stdexcept>
#include <utility>

namespace tests {
namespace {

void require(bool condition) {
    if (!condition) throw std::runtime_error("OpenSSL refused to serve with a test certificate");
}

std::shared_ptr<SSL_CTX> server_context(const certificate& own) {
    std::shared_ptr<SSL_CTX> context(SSL_CTX_new(TLS_server_method()), SSL_CTX_free);
    BIO* from = BIO_new_mem_buf(own.cert.data(), static_cast<int>(own.cert.size()));
    X509* shown = PEM_read_bio_X509(from, nullptr, nullptr, nullptr);
    BIO_free(from);
    from = BIO_new_mem_buf(own.key.data(), static_cast<int>(own.key.size()));
    EVP_PKEY* key = PEM_read_bio_PrivateKey(from, nullptr, nullptr, nullptr);
    BIO_free(from);
    require(context && shown != nullptr && key != nullptr && SSL_CTX_use_certificate(context.get(), shown) == 1 &&
            SSL_CTX_use_PrivateKey(context.get(), key) == 1);
    X509_free(shown);
    EVP_PKEY_free(key);
    return context;
}

// A blocking connection, plain or with TLS.
class wire {
public:
    wire(int fd, SSL_CTX* context) : fd_(fd), tls_(context ? SSL_new(context) : nullptr, SSL_free) {
        // What a client that hangs may cost a test.
        const timeval limit{5, 0};
        ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
        ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
        if (tls_) SSL_set_fd(tls_.get(), fd);
    }
    bool open() { return !tls_ || SSL_accept(tls_.get()) == 1; }
    std::string server_name() const {
        const char* name = tls_ ? SSL_get_servername(tls_.get(), TLSEXT_NAMETYPE_host_name) : nullptr;
        return name != nullptr ? name : "";
    }
    std::string read_head() {
        std::string head;
        std::array<char, 4096> piece;
        while (head.find("\r\n\r\n") == std::string::npos) {
            const auto n = tls_ ? SSL_read(tls_.get(), piece.data(), static_cast<int>(piece.size()))
                                : ::recv(fd_, piece.data(), piece.size(), 0);
            if (n <= 0) return {};
            head.append(piece.data(), static_cast<std::size_t>(n));
            if (!head.starts_with('G')) break;  // no GET: no end of a head will come
        }
        return head;
    }
    void write(std::string_view bytes) {
        while (!bytes.empty()) {
            const auto n = tls_ ? SSL_write(tls_.get(), bytes.data(), static_cast<int>(bytes.size()))
                                : ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
            if (n <= 0) return;
            bytes.remove_prefix(static_cast<std::size_t>(n));
        }
    }
    void finish() {
        if (tls_) SSL_shutdown(tls_.get());
        ::shutdown(fd_, SHUT_WR);
        std::array<char, 256> rest;
        while (::recv(fd_, rest.data(), rest.size(), 0) > 0) continue;  // or unread bytes would make it a reset
    }

private:
    int fd_;
    std::unique_ptr<SSL, decltype(&SSL_free)> tls_;
};

}  // namespace

std::string key_answer(const std::string& jwks, const std::string& more_fields) {
    return "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n" + more_fields +
           "Content-Length: " + std::to_string(jwks.size()) + "\r\nConnection: close\r\n\r\n" + jwks;
}

key_server::key_server(std::string answer, std::optional<certificate> tls, std::uint16_t port)
    : tls_(tls.has_value()), port_(port), listener_(listen_on("127.0.0.1", port_)), answer_(std::move(answer)) {
    std::signal(SIGPIPE, SIG_IGN);  // SSL_write has no other way
    if (tls) context_ = server_context(*tls);
    thread_ = std::thread([this] { run(); });
}

key_server::~key_server() {
    over_.set();
    changed_.notify_all();
    thread_.join();
}

std::string key_server::url(const std::string& host) const {
    return (tls_ ? "https://" : "http://") + host + ":" + std::to_string(port_) + "/.well-known/jwks.json";
}

void key_server::answer(std::string bytes) {
    const std::lock_guard lock(mutex_);
    answer_ = std::move(bytes);
    changed_.notify_all();
}

void key_server::hang() {
    const std::lock_guard lock(mutex_);
    answer_.reset();
}

std::size_t key_server::questions() const {
    const std::lock_guard lock(mutex_);
    return questions_.size();
}

std::string key_server::last_question() const {
    const std::lock_guard lock(mutex_);
    return questions_.empty() ? "" : questions_.back();
}

std::string key_server::server_name() const {
    const std::lock_guard lock(mutex_);
    return server_name_;
}

bool key_server::wait_questions(std::size_t count, milliseconds within) const {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, within, [&] { return questions_.size() >= count; });
}

void key_server::run() {
    for (;;) {
        std::array<pollfd, 2> polled{{{listener_.get(), POLLIN, 0}, {over_.fd(), POLLIN, 0}}};
        ::poll(polled.data(), polled.size(), -1);
        if (over_.is_set()) return;
        descriptor connection(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
        if (connection.valid()) serve(std::move(connection));
    }
}

void key_server::serve(descriptor connection) {
    wire with(connection.get(), context_.get());
    if (!with.open()) return;
    std::string question = with.read_head();
    if (question.empty()) return;
    std::string bytes;
    {
        std::unique_lock lock(mutex_);
        questions_.push_back(std::move(question));
        server_name_ = with.server_name();
        changed_.notify_all();
        // The destructor's notice may come between the two looks: hence the short waits.
        while (!answer_ && !over_.is_set()) changed_.wait_for(lock, milliseconds(20));
        if (!answer_) return;
        bytes = *answer_;
    }
    with.write(bytes);
    with.finish();
}

}  // namespace tests
