#include "tests/support/certificates.hpp"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <atomic>
#include <fstream>
#include <stdexcept>

namespace tests {
namespace {

std::shared_ptr<EVP_PKEY> make_key() {
    EVP_PKEY* const made = EVP_EC_gen("P-256");
    if (made == nullptr) throw std::runtime_error("no key");
    return {made, &EVP_PKEY_free};
}

std::shared_ptr<X509> begin(const std::string& name, EVP_PKEY* key, std::chrono::seconds from,
                            std::chrono::seconds until) {
    static std::atomic<long> serial = 1;
    std::shared_ptr<X509> made(X509_new(), &X509_free);
    X509_set_version(made.get(), 2);
    ASN1_INTEGER_set(X509_get_serialNumber(made.get()), ++serial);
    X509_gmtime_adj(X509_getm_notBefore(made.get()), from.count());
    X509_gmtime_adj(X509_getm_notAfter(made.get()), until.count());
    X509_NAME_add_entry_by_txt(X509_get_subject_name(made.get()), "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
    X509_set_pubkey(made.get(), key);
    return made;
}

void extend(X509* made, int what, const std::string& value) {
    X509_EXTENSION* const one = X509V3_EXT_conf_nid(nullptr, nullptr, what, value.c_str());
    if (one == nullptr) throw std::runtime_error("no extension " + value);
    X509_add_ext(made, one, -1);
    X509_EXTENSION_free(one);
}

template <typename Write>
std::string pem_of(Write write) {
    const std::unique_ptr<BIO, decltype(&BIO_free)> into(BIO_new(BIO_s_mem()), &BIO_free);
    if (write(into.get()) != 1) throw std::runtime_error("no PEM");
    char* text = nullptr;
    const long size = BIO_get_mem_data(into.get(), &text);
    return {text, static_cast<std::size_t>(size)};
}

std::string pem_of(X509* what) {
    return pem_of([&](BIO* into) { return PEM_write_bio_X509(into, what); });
}

}  // namespace

test_authority::test_authority()
    : key_(make_key()), own_(begin("Test Authority", key_.get(), -std::chrono::hours(48), std::chrono::hours(48))) {
    X509_set_issuer_name(own_.get(), X509_get_subject_name(own_.get()));
    extend(own_.get(), NID_basic_constraints, "critical,CA:TRUE");
    extend(own_.get(), NID_key_usage, "critical,keyCertSign");
    X509_sign(own_.get(), key_.get(), EVP_sha256());
    pem_ = pem_of(own_.get());
}

certificate test_authority::issue(const wanted_certificate& wanted) const {
    const auto key = make_key();
    const auto made =
        begin(wanted.names.empty() ? "nameless" : wanted.names.front(), key.get(), wanted.from, wanted.until);
    X509_set_issuer_name(made.get(), X509_get_subject_name(wanted.self_signed ? made.get() : own_.get()));
    std::string names;
    for (const auto& name : wanted.names) names += (names.empty() ? "DNS:" : ",DNS:") + name;
    for (const auto& address : wanted.addresses) names += (names.empty() ? "IP:" : ",IP:") + address;
    extend(made.get(), NID_subject_alt_name, names);
    X509_sign(made.get(), wanted.self_signed ? key.get() : key_.get(), EVP_sha256());
    return {pem_of(made.get()), pem_of([&](BIO* into) {
                return PEM_write_bio_PrivateKey(into, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
            })};
}

void write_file(const std::string& path, const std::string& text) {
    std::ofstream out(path, std::ios::trunc);
    out << text;
    if (!out.flush()) throw std::runtime_error("cannot write " + path);
}

}  // namespace tests
