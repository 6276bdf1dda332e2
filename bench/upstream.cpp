// The upstream of the benchmark: answers every request with the same 1.5 KB Gemini-shaped JSON from memory. One epoll
// thread, one recv and one send a request: it costs about half of an nginx with `return 200 '...'`, and so leaves the
// machine to the proxies. Speaks just enough HTTP for wrk, open_loop and well-behaved proxies: Content-Length or no
// body, keep-alive. Prints its port.
#include <strings.h>

#include <array>
#include <string>
#include <string_view>
#include <unordered_map>

#include "net.hpp"

namespace {

std::string make_answer() {
    std::string text;
    while (text.size() < 1170) text += "Led a team of five engineers to deliver measurable results. ";
    const std::string body =
        R"({"candidates":[{"content":{"parts":[{"text":")" + text +
        R"("}],"role":"model"},"finishReason":"STOP",)"
        R"("index":0}],"usageMetadata":{"promptTokenCount":812,"candidatesTokenCount":241,"totalTokenCount":1053,)"
        R"("promptTokensDetails":[{"modality":"TEXT","tokenCount":812}]},"modelVersion":"gemini-2.0-flash","responseId":"bench"})";
    return "HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=UTF-8\r\nContent-Length: " +
           std::to_string(body.size()) + "\r\n\r\n" + body;
}

// Bytes of the first whole request in `data`; 0 = it is not whole yet.
std::size_t whole_request(std::string_view data) {
    const auto end = data.find("\r\n\r\n");
    if (end == std::string_view::npos) return 0;
    std::size_t length = 0;
    for (std::size_t at = data.find("\r\n"); at < end; at = data.find("\r\n", at + 2)) {
        constexpr std::string_view name = "content-length:";
        if (strncasecmp(data.data() + at + 2, name.data(), name.size()) == 0) {
            length = std::strtoul(data.data() + at + 2 + name.size(), nullptr, 10);
        }
    }
    return data.size() >= end + 4 + length ? end + 4 + length : 0;
}

}  // namespace

int main() {
    const std::string answer = make_answer();
    const int listener = bench::listen_and_tell();
    const int poller = ::epoll_create1(0);
    const auto add = [poller](int fd) {
        epoll_event wanted{EPOLLIN, {.fd = fd}};
        ::epoll_ctl(poller, EPOLL_CTL_ADD, fd, &wanted);
    };
    add(listener);
    std::unordered_map<int, std::string> partial;  // only of connections whose request came in pieces
    std::array<epoll_event, 256> events;
    std::array<char, 65536> piece;
    for (;;) {
        const int ready = ::epoll_wait(poller, events.data(), events.size(), -1);
        for (int i = 0; i < ready; ++i) {
            const int fd = events[static_cast<std::size_t>(i)].data.fd;
            if (fd == listener) {
                for (int next = 0; (next = ::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK)) >= 0;) {
                    bench::send_at_once(next);
                    add(next);
                }
                continue;
            }
            const auto got = ::recv(fd, piece.data(), piece.size(), 0);
            if (got <= 0) {
                partial.erase(fd);
                ::close(fd);
                continue;
            }
            std::string_view data(piece.data(), static_cast<std::size_t>(got));
            const auto kept = partial.find(fd);
            if (kept != partial.end()) data = kept->second.append(data);
            std::size_t used = 0;
            for (std::size_t whole = 0; (whole = whole_request(data.substr(used))) > 0;) {
                used += whole;
                if (::send(fd, answer.data(), answer.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(answer.size()))
                    break;
            }
            const std::string rest(data.substr(used));
            if (!rest.empty()) partial[fd] = rest;
            if (rest.empty() && kept != partial.end()) partial.erase(kept);
        }
    }
}
