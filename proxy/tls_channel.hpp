// TLS over one connected, non-blocking socket (OpenSSL, RFC 8446 and 5246): says after each call what the socket must
// offer before it can go on. Owned and driven by a `stream`, which does the waiting; never waits itself. One thread.
#pragma once

#include <openssl/types.h>
#include <sys/uio.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>

struct ssl_session_st;

namespace proxy {

// The last session with one peer, so that the next connection to it needs no full handshake. Shared by the pool that
// keeps it and the connections that renew it, all on one worker.
class tls_session {
public:
    tls_session() = default;
    ~tls_session();
    tls_session(const tls_session&) = delete;
    tls_session& operator=(const tls_session&) = delete;
    void keep(ssl_session_st* fresh) noexcept;  // takes it over
    ssl_session_st* get() const noexcept { return last_; }

private:
    ssl_session_st* last_ = nullptr;
};

// Once for a context of clients: its channels keep their sessions.
void remember_sessions(SSL_CTX& of_client) noexcept;

class tls_channel {
public:
    enum class state : std::uint8_t {
        done,
        wants_read,   // nothing to be had before the socket is readable; reading as well as writing may say so
        wants_write,  // the same of writable
        end,          // the peer said that nothing follows (close_notify)
        truncated,    // the socket ended without that
        failed,
    };
    struct result {
        std::size_t bytes = 0;
        state now = state::done;
    };

    // Both throw std::bad_alloc. The descriptor stays its owner's and must outlive the channel's use.
    static std::unique_ptr<tls_channel> of_server(SSL_CTX& by, int descriptor);
    // `name`: the peer's host name or address, which its certificate must be for (when `by` verifies).
    static std::unique_ptr<tls_channel> of_client(SSL_CTX& by, int descriptor, const std::string& name,
                                                  std::shared_ptr<tls_session> kept);
    ~tls_channel();
    tls_channel(const tls_channel&) = delete;
    tls_channel& operator=(const tls_channel&) = delete;

    // Until it is done, nothing else may be called but problem() and spoke_http().
    state shake_hands() noexcept;
    result read(std::span<char> into) noexcept;
    // At most one TLS record (16 KB); the pieces are gathered into it. After wants_* the same pieces must come again.
    result write(std::span<const iovec> pieces) noexcept;
    // Whether application data or an end is there, without taking any; session tickets and the like are worked off.
    // wants_read = there is nothing.
    state look() noexcept;
    // close_notify. done = it is on its way, or there is no point in trying again.
    state say_end() noexcept;

    // Neither here nor in the socket is anything left to read: what comes next is an event of its own.
    bool drained() const noexcept;
    const SSL_CTX* context() const noexcept;  // that it was made by, alive as long as the channel
    bool spoke_http() const noexcept;         // the handshake failed because the peer sent an HTTP request
    std::string problem() const;              // why the handshake failed; nothing secret in it

private:
    friend struct socket_bio;
    tls_channel(SSL_CTX& by, int descriptor);
    state judge(int returned) noexcept;

    SSL* ssl_;
    int descriptor_;
    bool socket_empty_ = false;
    bool socket_ended_ = false;
    state reading_ = state::done;  // end, truncated, failed: for good
    bool write_failed_ = false;
    unsigned long error_ = 0;  // OpenSSL's, of the handshake
    int system_error_ = 0;     // errno, of the handshake
    std::shared_ptr<tls_session> kept_;
};

}  // namespace proxy
