// Certificates made when a test runs: an authority of its own, and what it signs.
#pragma once

#include <chrono>
#include <memory>
#include <string>

struct evp_pkey_st;
struct x509_st;

namespace tests {

struct certificate {
    std::string certificate_pem, key_pem;
};

class certificate_authority {
public:
    certificate_authority();
    // What a client must be told to trust.
    const std::string& pem() const { return pem_; }
    // `names` in OpenSSL's notation: "DNS:localhost,IP:127.0.0.1". A negative time: expired so long ago.
    certificate issue(const std::string& names, std::chrono::seconds valid_for = std::chrono::hours(1)) const;

private:
    std::shared_ptr<evp_pkey_st> key_;
    std::shared_ptr<x509_st> own_;
    std::string pem_;
};

}  // namespace tests
