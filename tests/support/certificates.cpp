#include "tests/support/certificates.hpp"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include <stdexcept>

namespace tests {
namespace {

using key_ptr = std::shared_ptr<EVP_PKEY>;
using x509_ptr = std::shared_ptr<X509>;

void require(bool condition) {
    if (!condition) throw std::runtime_error("OpenSSL refused to make a test certificate");
}

template <class Write>
std::string pem_of(Write write) {
    BIO* memory = BIO_new(BIO_s_mem());
    require(write(memory) == 1);
    char* text = nullptr;
    const long size = BIO_get_mem_data(memory, &text);
    std::string pem(text, static_cast<std::size_t>(size));
    BIO_free(memory);
    return pem;
}

void extend(X509* made, X509* issuer, int what, const std::string& value) {
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, issuer, made, nullptr, nullptr, 0);
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, what, value.c_str());
    require(extension != nullptr && X509_add_ext(made, extension, -1) == 1);
    X509_EXTENSION_free(extension);
}

// All but extensions and signature; begins two days ago.
x509_ptr draft(EVP_PKEY* key, const std::string& name, std::chrono::seconds valid_for) {
    x509_ptr made(X509_new(), X509_free);
    std::uint32_t serial = 0;
    require(RAND_bytes(reinterpret_cast<unsigned char*>(&serial), sizeof serial) == 1);
    X509_set_version(made.get(), X509_VERSION_3);
    ASN1_INTEGER_set_uint64(X509_get_serialNumber(made.get()), serial);
    X509_gmtime_adj(X509_getm_notBefore(made.get()), -2L * 24 * 3600);
    X509_gmtime_adj(X509_getm_notAfter(made.get()), static_cast<long>(valid_for.count()));
    X509_set_pubkey(made.get(), key);
    require(X509_NAME_add_entry_by_txt(X509_get_subject_name(made.get()), "CN", MBSTRING_ASC,
                                       reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0) == 1);
    return made;
}

key_ptr new_key() { return {EVP_EC_gen("P-256"), EVP_PKEY_free}; }

}  // namespace

certificate_authority::certificate_authority() : key_(new_key()) {
    own_ = draft(key_.get(), "authority of a test", std::chrono::hours(1));
    X509_set_issuer_name(own_.get(), X509_get_subject_name(own_.get()));
    extend(own_.get(), own_.get(), NID_basic_constraints, "critical,CA:TRUE");
    extend(own_.get(), own_.get(), NID_key_usage, "critical,keyCertSign");
    require(X509_sign(own_.get(), key_.get(), EVP_sha256()) > 0);
    pem_ = pem_of([this](BIO* to) { return PEM_write_bio_X509(to, own_.get()); });
}

certificate certificate_authority::issue(const std::string& names, std::chrono::seconds valid_for) const {
    const key_ptr key = new_key();
    const x509_ptr made = draft(key.get(), "server of a test", valid_for);
    X509_set_issuer_name(made.get(), X509_get_subject_name(own_.get()));
    extend(made.get(), own_.get(), NID_basic_constraints, "critical,CA:FALSE");
    extend(made.get(), own_.get(), NID_subject_alt_name, names);
    require(X509_sign(made.get(), key_.get(), EVP_sha256()) > 0);
    return {pem_of([&](BIO* to) { return PEM_write_bio_X509(to, made.get()); }), pem_of([&](BIO* to) {
                return PEM_write_bio_PrivateKey(to, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
            })};
}

}  // namespace tests
