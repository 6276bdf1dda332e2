// What all proxy flow tests share: a scripted upstream, the proxy in front of it, and at the end of each test a clean
// SIGTERM exit, so that a crash or a sanitizer report anywhere fails the test that caused it.
#pragma once

#include <gtest/gtest.h>
#include <signal.h>

#include <memory>
#include <string>

#include "tests/support/running_proxy.hpp"
#include "tests/support/scripted_upstream.hpp"

// For expectations that are aimeter's own and that nginx does not share.
#define AIMETER_ONLY() \
    if (tests::proxy_is_nginx()) GTEST_SKIP() << "not an expectation of nginx"

namespace tests {

class proxy_test : public ::testing::Test {
protected:
    void start(proxy_options options = {}) {
        if (options.upstream.empty()) options.upstream = upstream.url();
        if (const auto* tls = tls_everywhere::get(); tls != nullptr) {
            options.env["AIMETER_TLS_CERT"] = tls->cert_file;
            options.env["AIMETER_TLS_KEY"] = tls->key_file;
            options.env["AIMETER_FORWARD_CA_FILE"] = tls->ca_file;
        }
        auto made = make_proxy(options);
        made->start();
        proxy = std::move(made);
    }

    raw_client connect() const { return proxy->connect(); }

    static std::string scheme_of_clients() { return tls_everywhere::get() != nullptr ? "https" : "http"; }

    // Sends a request on a connection of its own and reads the whole answer.
    http_message ask(const std::string& request) const {
        raw_client client = connect();
        client.send(request);
        return client.read(request.starts_with("HEAD ") ? http_reader::kind::response_to_head
                                                        : http_reader::kind::response);
    }

    // What the upstream got first; empty when it got none.
    http_message first_request() const {
        const auto all = upstream.requests();
        return all.empty() ? http_message{} : all.front();
    }

    // A request that shows that the proxy still serves everybody else.
    void expect_still_serving() const {
        EXPECT_EQ(ask("GET /canary HTTP/1.1\r\nHost: canary\r\n\r\n").status(), 200) << proxy->process().err();
    }

    void TearDown() override {
        if (!proxy || !ends_well) return;
        auto& process = proxy->process();
        EXPECT_TRUE(process.running()) << "the proxy died: " << process.err();
        process.signal(proxy_is_nginx() ? SIGKILL : SIGTERM);
        EXPECT_EQ(process.wait_exit(), proxy_is_nginx() ? 128 + SIGKILL : 0) << process.err();
    }

    aimeter_process& aimeter() const { return dynamic_cast<aimeter_process&>(*proxy); }

    scripted_upstream upstream;
    std::unique_ptr<running_proxy> proxy;
    bool ends_well = true;  // false: the test ends the proxy itself
};

// An error made by aimeter itself.
inline void expect_problem(const http_message& answer, int status) {
    EXPECT_EQ(answer.status(), status) << answer.raw_head << answer.body;
    EXPECT_TRUE(answer.complete);
    if (proxy_is_nginx()) return;
    EXPECT_EQ(answer.field("content-type").value_or("").substr(0, 24), "application/problem+json") << answer.raw_head;
    EXPECT_NE(answer.body.find("\"status\""), std::string::npos) << answer.body;
}

}  // namespace tests
