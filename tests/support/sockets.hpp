// Blocking sockets with deadlines for tests: the least that a scripted upstream and a raw client need.
// Never used by the proxy itself.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "tests/support/eventually.hpp"

namespace tests {

class descriptor {
public:
    descriptor() = default;
    explicit descriptor(int fd) : fd_(fd) {}
    descriptor(descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    descriptor& operator=(descriptor&& other) noexcept {
        if (this != &other) close(), fd_ = std::exchange(other.fd_, -1);
        return *this;
    }
    ~descriptor() { close(); }

    int get() const { return fd_; }
    bool valid() const { return fd_ >= 0; }
    void close();

private:
    int fd_ = -1;
};

// How the other side of a connection ended, as seen here.
// cut: over TLS, a FIN without close_notify before it.
enum class ending : std::uint8_t { none, fin, cut, rst };

// A listening socket on `port`; 0 = one that the system chooses, and `port` receives it. `host` may be a path: a unix
// socket. Throws when that fails.
descriptor listen_on(const std::string& host, std::uint16_t& port, int backlog = 512);
// A connected socket, or an invalid one: refused or not answered in time.
descriptor connect_to(const std::string& host, std::uint16_t port, milliseconds within = patience);

// Closes with a RST in place of a FIN.
void reset(descriptor& socket);
// Says FIN, and keeps reading.
void finish_sending(const descriptor& socket);

// Waits for poll()'s `events`: true when they are there, false at the deadline or when `wake` (an eventfd) was set.
bool wait_for(int fd, short events, clock::time_point until, int wake);

struct read_outcome {
    std::size_t bytes = 0;
    ending ended = ending::none;  // none and 0 bytes: nothing came in time
};
// Waits for some bytes. `wake` (an eventfd, -1 = none) ends the wait early.
read_outcome read_some(const descriptor& socket, char* to, std::size_t size, clock::time_point until, int wake = -1);
// Sends all of it, or says how many bytes were taken before the other side ended, the deadline or `wake`.
std::size_t write_all(const descriptor& socket, std::string_view bytes, clock::time_point until, int wake = -1);

// An event that stays set: threads wait for it by poll().
class event {
public:
    event();
    void set();
    bool is_set() const;
    bool wait(milliseconds within = patience) const;
    int fd() const { return fd_.get(); }

private:
    descriptor fd_;
};

}  // namespace tests
