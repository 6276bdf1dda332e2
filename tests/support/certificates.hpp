// Certificates for tests, made when they are needed: an authority of one's own, and what it issues (EC P-256).
#pragma once

#include <openssl/types.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

namespace tests {

struct certificate {
    std::string cert, key;  // PEM
};

struct wanted_certificate {
    std::vector<std::string> names{"localhost"};
    std::vector<std::string> addresses{"127.0.0.1", "::1"};
    std::chrono::seconds from = -std::chrono::hours(1);  // from now
    std::chrono::seconds until = std::chrono::hours(24);
    bool self_signed = false;
};

class test_authority {
public:
    test_authority();
    certificate issue(const wanted_certificate& wanted = {}) const;
    const std::string& pem() const { return pem_; }

private:
    std::shared_ptr<EVP_PKEY> key_;
    std::shared_ptr<X509> own_;
    std::string pem_;
};

// Writes a file that a process under test reads.
void write_file(const std::string& path, const std::string& text);

}  // namespace tests
