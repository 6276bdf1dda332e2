// An issuer's server of public keys: HTTP, or HTTPS with a certificate of certificates.hpp. One thread serves one
// connection after the other, each with the answer of that moment, given as raw bytes so that it can be any.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/certificates.hpp"
#include "tests/support/sockets.hpp"

struct ssl_ctx_st;

namespace tests {

// A good answer with this key set.
std::string key_answer(const std::string& jwks, const std::string& more_fields = "");

class key_server {
public:
    // Listens on 127.0.0.1; port 0 = the system's choice.
    explicit key_server(std::string answer, std::optional<certificate> tls = {}, std::uint16_t port = 0);
    ~key_server();
    key_server(const key_server&) = delete;
    key_server& operator=(const key_server&) = delete;

    std::uint16_t port() const { return port_; }
    std::string url(const std::string& host = "127.0.0.1") const;

    // From the next connection on. `hang` also keeps a connection waiting that has come before.
    void answer(std::string bytes);
    void hang();

    // What came before TLS failed or a question was read does not count.
    std::size_t questions() const;
    std::string last_question() const;
    std::string server_name() const;  // that the last TLS client asked for; "" = none
    bool wait_questions(std::size_t count, milliseconds within = patience) const;

private:
    void run();
    void serve(descriptor connection);

    bool tls_;
    std::shared_ptr<ssl_ctx_st> context_;
    std::uint16_t port_ = 0;
    descriptor listener_;
    event over_;
    mutable std::mutex mutex_;
    mutable std::condition_variable changed_;
    std::optional<std::string> answer_;  // nullopt = none at all
    std::vector<std::string> questions_;
    std::string server_name_;
    std::thread thread_;
};

}  // namespace tests
