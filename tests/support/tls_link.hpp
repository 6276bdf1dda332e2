// TLS over the sockets of tests, client or server, with deadlines like theirs. The environment AIMETER_TEST_TLS=1 puts
// it on both sides of the proxy in every test that takes its connections from running_proxy and scripted_upstream.
#pragma once

#include <openssl/types.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "tests/support/certificates.hpp"
#include "tests/support/sockets.hpp"

namespace tests {

struct tls_options {
    std::optional<certificate> own{};  // a server's
    std::string server_name{};         // of a client, in its ClientHello
    std::vector<std::string> alpn{"http/1.1"};
    int least_version = 0, most_version = 0;  // TLS1_2_VERSION, ...; 0 = any
};

// What connections have in common; a client's resume the last session. Copies share it.
class tls_side {
public:
    explicit tls_side(tls_options options);
    const tls_options& options() const { return *options_; }
    SSL_CTX* get() const { return context_.get(); }

private:
    std::shared_ptr<tls_options> options_;
    std::shared_ptr<SSL_CTX> context_;
};

class tls_link {
public:
    tls_link(const tls_side& side, const descriptor& socket);
    ~tls_link();
    tls_link(const tls_link&) = delete;
    tls_link& operator=(const tls_link&) = delete;

    bool shake_hands(clock::time_point until, int wake = -1);
    // ending::fin = with close_notify, ending::cut = without.
    read_outcome read_some(char* to, std::size_t size, clock::time_point until, int wake = -1);
    std::size_t write_all(std::string_view bytes, clock::time_point until, int wake = -1);
    void say_end();      // close_notify
    void ask_new_key();  // TLS 1.3: a KeyUpdate that wants one in return, with the next write

    void send_ticket();  // TLS 1.3, a server: another session ticket, at once

    bool resumed() const;
    std::string alpn() const;         // what was agreed on
    std::string server_name() const;  // that the client asked for
    std::string peer_name() const;    // CN of the peer's certificate
    const std::string& failure() const { return failure_; }

private:
    enum class next : std::uint8_t { again, over, ended };
    next after(int returned, clock::time_point until, int wake);

    const descriptor& socket_;
    SSL* ssl_;
    bool lost_ = false;
    ending ended_ = ending::none;
    std::string failure_;
};

// What AIMETER_TEST_TLS puts on both sides; null when it is not set.
struct tls_everywhere {
    tls_side client, server;
    std::string cert_file, key_file, ca_file;
    static const tls_everywhere* get();
};

}  // namespace tests
