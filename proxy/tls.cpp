#include "proxy/tls.hpp"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <iterator>
#include <new>
#include <set>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

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

// ---- Certificates by name -------------------------------------------------------------------------------------------

std::string lower(std::string_view name) {
    std::string out(name);
    for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    return out;
}

// Which certificate is for which name; belongs to the context of the first one, for which null stands here.
class contexts_by_name {
public:
    // The names in the certificate of `by`; who is first to have a name keeps it. False = there are none.
    bool add(SSL_CTX& by, const tls_context& chosen) {
        const std::vector<std::string> names = names_in(*SSL_CTX_get0_certificate(&by));
        for (const std::string& name : names) names_.emplace(name, chosen);
        return !names.empty();
    }

    // Null = the first one's, too, when nobody has the name.
    SSL_CTX* find(std::string_view name) const {
        if (name.ends_with('.')) name.remove_suffix(1);
        std::string wanted = lower(name);
        auto found = names_.find(wanted);
        if (const std::size_t dot = wanted.find('.'); found == names_.end() && dot != std::string::npos)
            found = names_.find("*" + wanted.substr(dot));  // a wildcard is for one label (RFC 9525, 6.3)
        return found == names_.end() ? nullptr : found->second.get();
    }

    // Those beside the first one's.
    static std::set<SSL_CTX*> contexts_beside(SSL_CTX& first) {
        std::set<SSL_CTX*> others;
        const auto* const own = static_cast<const contexts_by_name*>(SSL_CTX_get_ex_data(&first, slot()));
        if (own == nullptr) return others;
        for (const auto& [name, context] : own->names_)
            if (context) others.insert(context.get());
        return others;
    }

    // A handshake under way may outlive the configuration that it began with, but not its context.
    void keep_with(SSL_CTX& first) && {
        auto* const kept = new contexts_by_name(std::move(*this));
        SSL_CTX_set_ex_data(&first, slot(), kept);
        SSL_CTX_set_tlsext_servername_callback(&first, &contexts_by_name::choose);
        SSL_CTX_set_tlsext_servername_arg(&first, kept);
    }

    static std::vector<std::string> names_in(const X509& certificate) {
        std::vector<std::string> names;
        const auto free_names = [](GENERAL_NAMES* all) { GENERAL_NAMES_free(all); };
        const std::unique_ptr<GENERAL_NAMES, decltype(free_names)> all(
            static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(&certificate, NID_subject_alt_name, nullptr, nullptr)));
        for (int i = 0; all && i < sk_GENERAL_NAME_num(all.get()); ++i) {
            const GENERAL_NAME* const name = sk_GENERAL_NAME_value(all.get(), i);
            if (name->type != GEN_DNS) continue;
            const ASN1_STRING* const text = name->d.dNSName;
            names.push_back(lower({reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
                                   static_cast<std::size_t>(ASN1_STRING_length(text))}));
        }
        return names;
    }

private:
    static int slot() {
        static const int index = SSL_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr, &contexts_by_name::release);
        return index;
    }
    static void release(void*, void* own, CRYPTO_EX_DATA*, int, long, void*) {
        delete static_cast<contexts_by_name*>(own);
    }

    // Called by OpenSSL within the handshake.
    static int choose(SSL* ssl, int*, void* own) noexcept {
        const char* const name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
        if (name == nullptr) return SSL_TLSEXT_ERR_NOACK;
        try {
            if (SSL_CTX* const by = static_cast<contexts_by_name*>(own)->find(name); by != nullptr)
                SSL_set_SSL_CTX(ssl, by);
        } catch (const std::bad_alloc&) {
            return SSL_TLSEXT_ERR_ALERT_FATAL;
        }
        return SSL_TLSEXT_ERR_OK;
    }

    std::unordered_map<std::string, tls_context> names_;
};

std::variant<tls_context, std::string> make_server_context(const conf::certificate_files& files,
                                                           conf::tls_version least, const std::string& keys) {
    tls_context made = make_context(TLS_server_method());
    if (!made) return "tls: " + reason();
    SSL_CTX* const by = made.get();
    if (least == conf::tls_version::tls_1_3) SSL_CTX_set_min_proto_version(by, TLS1_3_VERSION);
    SSL_CTX_set_default_passwd_cb(by, no_password);
    if (SSL_CTX_use_certificate_chain_file(by, files.cert.c_str()) != 1)
        return keys + "cert: " + files.cert + ": " + reason();
    if (SSL_CTX_use_PrivateKey_file(by, files.key.c_str(), SSL_FILETYPE_PEM) != 1 || SSL_CTX_check_private_key(by) != 1)
        return keys + "key: " + files.key + ": " + reason();
    if (SSL_CTX_set_cipher_list(by, ciphers) != 1) return "tls: " + reason();
    SSL_CTX_set_alpn_select_cb(by, choose_http_1, nullptr);
    SSL_CTX_set_session_cache_mode(by, SSL_SESS_CACHE_OFF);  // tickets alone: nothing is kept for a client
    return made;
}

}  // namespace

std::variant<tls_context, std::string> make_server_tls(const conf::tls_settings& settings) {
    tls_context first;
    contexts_by_name by_name;
    const auto take = [&](const conf::certificate_files& files, const std::string& keys) -> std::string {
        auto made = make_server_context(files, settings.min_version, keys);
        if (auto* problem = std::get_if<std::string>(&made)) return std::move(*problem);
        auto& context = std::get<tls_context>(made);
        if (!by_name.add(*context, first ? context : nullptr) && first)
            return keys + "cert: " + files.cert + ": no name in it, so that no client could choose it";
        if (!first) first = std::move(context);
        return {};
    };
    if (!settings.cert.empty())
        if (std::string problem = take({settings.cert, settings.key}, "tls."); !problem.empty()) return problem;
    for (const conf::certificate_files& files : settings.certificates)
        if (std::string problem = take(files, "tls.certificates."); !problem.empty()) return problem;
    if (!settings.certificates.empty()) std::move(by_name).keep_with(*first);
    return first;
}

std::vector<certificate_end> certificate_ends(const tls_context& server) {
    std::vector<certificate_end> ends;
    const auto add = [&](SSL_CTX& by) {
        const X509* const certificate = SSL_CTX_get0_certificate(&by);
        std::tm when{};
        if (certificate == nullptr || ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &when) != 1) return;
        const auto names = contexts_by_name::names_in(*certificate);
        ends.push_back({names.empty() ? std::string() : names.front(), std::int64_t{1000} * ::timegm(&when)});
    };
    if (!server) return ends;
    add(*server);
    for (SSL_CTX* const one : contexts_by_name::contexts_beside(*server)) add(*one);
    return ends;
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
