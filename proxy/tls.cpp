#include "proxy/tls.hpp"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <utility>

namespace proxy {
namespace {

using namespace std::chrono_literals;

constexpr unsigned char only_http_1[] = "\x08http/1.1";  // in the form of RFC 7301: each name behind its length
constexpr unsigned int only_http_1_size = sizeof only_http_1 - 1;

// TLS 1.2 with forward secrecy and authenticated encryption alone; TLS 1.3 has nothing else.
constexpr const char* ciphers =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";

std::string reason() {
    const char* const text = ERR_reason_error_string(ERR_peek_error());  // the first one: the others follow from it
    return text != nullptr ? text : "not usable";
}

tls_context make_context(const SSL_METHOD* method) {
    ERR_clear_error();
    tls_context made(SSL_CTX_new(method), &SSL_CTX_free);
    if (!made) return made;
    SSL_CTX_set_min_proto_version(made.get(), TLS1_2_VERSION);
    SSL_CTX_set_options(made.get(), SSL_OP_NO_RENEGOTIATION);
    return made;
}

int choose_http_1(SSL*, const unsigned char** chosen, unsigned char* size, const unsigned char* offered,
                  unsigned int offered_size, void*) {
    unsigned char* found = nullptr;
    const int did = SSL_select_next_proto(&found, size, only_http_1, only_http_1_size, offered, offered_size);
    *chosen = found;
    return did == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

// Of files that OpenSSL reads by itself, some of them later: when they were last changed.
std::string version_of(const char* from_environment, const char* otherwise) {
    const char* const named = std::getenv(from_environment);
    const std::string path = named != nullptr ? named : otherwise;
    struct stat found{};
    if (::stat(path.c_str(), &found) != 0) return path + " absent\n";
    return path + ' ' + std::to_string(found.st_ino) + ' ' + std::to_string(found.st_mtim.tv_sec) + '.' +
           std::to_string(found.st_mtim.tv_nsec) + '\n';
}

std::string trust_of(const conf::forward_settings& settings) {
    std::string trust = settings.verify ? "verified\n" : "not verified\n";
    if (settings.ca_file.empty())
        return trust + version_of(X509_get_default_cert_file_env(), X509_get_default_cert_file()) +
               version_of(X509_get_default_cert_dir_env(), X509_get_default_cert_dir());
    std::ifstream file(settings.ca_file, std::ios::binary);
    return trust.append(std::istreambuf_iterator<char>(file), {});
}

// A key with a password would otherwise be asked for at the terminal.
int no_password(char*, int, int, void*) { return -1; }

}  // namespace

std::variant<tls_context, std::string> make_server_tls(const conf::tls_settings& settings) {
    if (settings.cert.empty()) return tls_context();
    tls_context made = make_context(TLS_server_method());
    if (!made) return "tls: " + reason();
    SSL_CTX* const by = made.get();
    SSL_CTX_set_default_passwd_cb(by, no_password);
    if (SSL_CTX_use_certificate_chain_file(by, settings.cert.c_str()) != 1)
        return "tls.cert: " + settings.cert + ": " + reason();
    if (SSL_CTX_use_PrivateKey_file(by, settings.key.c_str(), SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(by) != 1)
        return "tls.key: " + settings.key + ": " + reason();
    if (SSL_CTX_set_cipher_list(by, ciphers) != 1) return "tls: " + reason();
    SSL_CTX_set_alpn_select_cb(by, choose_http_1, nullptr);
    SSL_CTX_set_session_cache_mode(by, SSL_SESS_CACHE_OFF);  // tickets alone: nothing is kept for a client
    return made;
}

std::variant<tls_context, std::string> make_client_tls(const conf::forward_settings& settings) {
    tls_context made = make_context(TLS_client_method());
    if (!made) return "forward: " + reason();
    SSL_CTX* const by = made.get();
    if (!settings.ca_file.empty()) {
        if (SSL_CTX_load_verify_file(by, settings.ca_file.c_str()) != 1)
            return "forward.ca_file: " + settings.ca_file + ": " + reason();
    } else if (SSL_CTX_set_default_verify_paths(by) != 1) {
        return "the system's certificate authorities: " + reason();
    }
    SSL_CTX_set_verify(by, settings.verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, nullptr);
    SSL_CTX_set_alpn_protos(by, only_http_1, only_http_1_size);
    SSL_CTX_set_session_cache_mode(by, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    remember_sessions(*by);
    return made;
}

std::variant<tls_contexts, std::string> make_tls(const conf::settings& settings, const tls_contexts& before) {
    tls_contexts all;
    auto server = make_server_tls(settings.tls);
    if (auto* problem = std::get_if<std::string>(&server)) return std::move(*problem);
    all.server = std::get<tls_context>(std::move(server));
    const auto& peers = settings.upstream;
    if (std::none_of(peers.begin(), peers.end(), [](const conf::endpoint& peer) { return peer.tls; })) return all;
    all.trust = trust_of(settings.forward);
    if (before.client && before.trust == all.trust) {
        all.client = before.client;
        return all;
    }
    auto client = make_client_tls(settings.forward);
    if (auto* problem = std::get_if<std::string>(&client)) return std::move(*problem);
    all.client = std::get<tls_context>(std::move(client));
    return all;
}

task<io_error> shake_hands(stream& on, std::chrono::milliseconds timeout) {
    const auto deadline = std::chrono::steady_clock::now() + timeout;
    for (;;) {
        const io_error did = on.try_handshake();
        if (did != io_error::would_block) co_return did;
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
        if (left <= 0ms) co_return io_error::timed_out;
        const io_error waited = co_await on.readable(left);
        if (waited != io_error::none) co_return waited;
    }
}

}  // namespace proxy
