// The upstream of the measurements of streams and large bodies. One epoll thread; what it answers stands in the path:
//   /api/ai/stream?events=N&rate=R   N events in the shape of OpenAI's, R a second (0 = as fast as they are taken),
//                                    each with the moment of its sending ("sent":nanoseconds of CLOCK_MONOTONIC)
//   /bytes?count=N                   N bytes with a Content-Length
//   anything else                    takes the body, however long, and answers a small JSON with usage
// Speaks just enough HTTP for the benchmark's clients behind well-behaved proxies. Prints its port.
#include <strings.h>

#include <array>
#include <memory>
#include <queue>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "net.hpp"

namespace {

const std::string small_answer = [] {
    const std::string body =
        R"({"model":"gpt-4o-mini","choices":[{"index":0,"message":{"role":"assistant","content":"Done."},)"
        R"("finish_reason":"stop"}],"usage":{"prompt_tokens":31,"completion_tokens":3,"total_tokens":34}})";
    return "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) +
           "\r\n\r\n" + body;
}();

std::string chunk(std::string_view payload) {
    std::array<char, 24> line{};
    const int n = std::snprintf(line.data(), line.size(), "%zx\r\n", payload.size());
    return std::string(line.data(), static_cast<std::size_t>(n)).append(payload).append("\r\n");
}

constexpr std::string_view event_head =
    R"(data: {"id":"chatcmpl-bench","object":"chat.completion.chunk","created":1747148050,"model":"gpt-4o-mini","sent":)";

std::string event() {
    return chunk(std::string(event_head) + std::to_string(bench::now_ns()) +
                 R"(,"choices":[{"index":0,"delta":{"content":" word"},"logprobs":null,"finish_reason":null}],)"
                 R"("usage":null})"
                 "\n\n");
}

std::string last_events() {
    return chunk(R"(data: {"id":"chatcmpl-bench","object":"chat.completion.chunk","created":1747148050,)"
                 R"("model":"gpt-4o-mini","choices":[],"usage":{"prompt_tokens":31,"completion_tokens":40,)"
                 R"("total_tokens":71}})"
                 "\n\ndata: [DONE]\n\n") +
           "0\r\n\r\n";
}

std::uint64_t parameter(std::string_view target, std::string_view name) {
    const auto at = target.find(name);
    return at == std::string_view::npos ? 0 : std::strtoull(target.data() + at + name.size(), nullptr, 10);
}

struct connection {
    explicit connection(int descriptor) : fd(descriptor) {}

    int fd;
    std::string head;               // of a request that has not arrived whole
    std::uint64_t body_left = 0;    // of a Content-Length
    bool chunked_body = false;      // being read; ends with "0\r\n\r\n", since the bodies here are plain text
    std::string tail;               // the last bytes of such a body
    std::string target;             // of the request that is being answered
    std::uint64_t events_left = 0;  // of its answer
    std::uint64_t bytes_left = 0;   // the same
    std::int64_t interval_ns = 0;   // 0 = no pace
    std::string unsent;
    bool streaming = false;
    bool blocked = false;  // EPOLLOUT is awaited
};

class upstream {
public:
    explicit upstream(int listener) : listener_(listener), poller_(::epoll_create1(0)) {
        epoll_event wanted{EPOLLIN, {.fd = listener_}};
        ::epoll_ctl(poller_, EPOLL_CTL_ADD, listener_, &wanted);
    }

    void serve() {
        std::array<epoll_event, 256> events;
        for (;;) {
            const timespec timeout = bench::span_of(
                due_.empty() ? 1'000'000'000 : std::max<std::int64_t>(0, due_.top().first - bench::now_ns()));
            const int ready = ::epoll_pwait2(poller_, events.data(), events.size(), &timeout, nullptr);
            for (int i = 0; i < ready; ++i) act(events[static_cast<std::size_t>(i)]);
            while (!due_.empty() && due_.top().first <= bench::now_ns()) next_event();
        }
    }

private:
    using moment = std::pair<std::int64_t, std::weak_ptr<connection>>;
    struct later {
        bool operator()(const moment& a, const moment& b) const { return a.first > b.first; }
    };

    void act(const epoll_event& what) {
        if (what.data.fd == listener_) return accept_all();
        const auto found = all_.find(what.data.fd);
        if (found == all_.end()) return;
        const auto one = found->second;
        if ((what.events & EPOLLOUT) != 0) flush(*one);
        if ((what.events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) receive(one);
    }

    void accept_all() {
        for (int fd = 0; (fd = ::accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK)) >= 0;) {
            bench::send_at_once(fd);
            epoll_event wanted{EPOLLIN, {.fd = fd}};
            ::epoll_ctl(poller_, EPOLL_CTL_ADD, fd, &wanted);
            all_[fd] = std::make_shared<connection>(fd);
        }
    }

    void receive(const std::shared_ptr<connection>& one) {
        const auto got = ::recv(one->fd, piece_.data(), piece_.size(), 0);
        if (got <= 0) {
            ::close(one->fd);
            all_.erase(one->fd);
            return;
        }
        take(one, {piece_.data(), static_cast<std::size_t>(got)});
    }

    void take(const std::shared_ptr<connection>& to, std::string_view data) {
        connection& one = *to;
        while (!data.empty()) {
            if (one.body_left > 0) {
                const auto n = std::min<std::uint64_t>(one.body_left, data.size());
                one.body_left -= n;
                data.remove_prefix(n);
                if (one.body_left == 0) answer(to);
            } else if (one.chunked_body) {
                one.tail.append(data.substr(data.size() - std::min<std::size_t>(data.size(), 5)));
                if (one.tail.size() > 5) one.tail.erase(0, one.tail.size() - 5);
                data = {};
                if (one.tail != "0\r\n\r\n") continue;
                one.chunked_body = false;
                answer(to);
            } else {
                one.head.append(data);
                const auto end = one.head.find("\r\n\r\n");
                if (end == std::string::npos) return;
                const std::size_t before = one.head.size() - data.size();
                data.remove_prefix(end + 4 - before);
                one.head.resize(end + 4);
                begin(to);
            }
        }
    }

    // A request's head is there.
    void begin(const std::shared_ptr<connection>& to) {
        connection& one = *to;
        const auto space = one.head.find(' ');
        one.target = one.head.substr(space + 1, one.head.find(' ', space + 1) - space - 1);
        for (std::size_t at = one.head.find("\r\n"); at + 4 < one.head.size(); at = one.head.find("\r\n", at + 2)) {
            const char* line = one.head.data() + at + 2;
            constexpr std::string_view length = "content-length:", coding = "transfer-encoding:", expect = "expect:";
            if (strncasecmp(line, length.data(), length.size()) == 0)
                one.body_left = std::strtoull(line + length.size(), nullptr, 10);
            if (strncasecmp(line, coding.data(), coding.size()) == 0) one.chunked_body = true, one.tail.clear();
            if (strncasecmp(line, expect.data(), expect.size()) == 0) send(one, "HTTP/1.1 100 Continue\r\n\r\n");
        }
        one.head.clear();
        if (one.body_left == 0 && !one.chunked_body) answer(to);
    }

    void answer(const std::shared_ptr<connection>& to) {
        connection& one = *to;
        if (one.target.starts_with("/api/ai/stream")) {
            one.events_left = parameter(one.target, "events=");
            const auto rate = parameter(one.target, "rate=");
            one.interval_ns = rate == 0 ? 0 : 1'000'000'000 / static_cast<std::int64_t>(rate);
            one.streaming = true;
            send(one,
                 "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n" + event());
            one.events_left -= one.events_left > 0;
            if (one.interval_ns > 0) due_.emplace(bench::now_ns() + one.interval_ns, to);
            if (one.interval_ns == 0) flush(one);
        } else if (one.target.starts_with("/bytes")) {
            one.bytes_left = parameter(one.target, "count=");
            send(one, "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: " +
                          std::to_string(one.bytes_left) + "\r\n\r\n");
            flush(one);
        } else {
            send(one, small_answer);
        }
    }

    // The next event of the stream whose moment has come. A client that does not read misses events, as with a model
    // that does not wait for it.
    void next_event() {
        const auto [planned, whose] = due_.top();
        due_.pop();
        const auto one = whose.lock();
        if (!one || !all_.contains(one->fd) || !one->streaming) return;
        if (one->events_left == 0) {
            one->streaming = false;
            return send(*one, last_events());
        }
        --one->events_left;
        if (!one->blocked) send(*one, event());
        due_.emplace(planned + one->interval_ns, one);
    }

    // What comes without a pace, until the socket is full.
    void flush(connection& one) {
        one.blocked = false;
        if (!one.unsent.empty()) send(one, std::exchange(one.unsent, {}));
        while (!one.blocked && one.bytes_left > 0) {
            const auto n = std::min<std::uint64_t>(one.bytes_left, filler_.size());
            one.bytes_left -= n;
            send(one, std::string_view(filler_).substr(0, n));
        }
        while (!one.blocked && one.streaming && one.interval_ns == 0) {
            send(one, one.events_left > 0 ? event() : last_events());
            if (one.events_left-- == 0) one.streaming = false;
        }
        if (!one.blocked) await(one, EPOLLIN);
    }

    void send(connection& one, std::string_view bytes) {
        if (one.blocked) return void(one.unsent.append(bytes));
        const auto n = std::max<ssize_t>(0, ::send(one.fd, bytes.data(), bytes.size(), MSG_NOSIGNAL));
        if (static_cast<std::size_t>(n) == bytes.size()) return;
        one.unsent.append(bytes.substr(static_cast<std::size_t>(n)));
        one.blocked = true;
        await(one, EPOLLIN | EPOLLOUT);
    }

    void await(connection& one, std::uint32_t events) {
        epoll_event wanted{events, {.fd = one.fd}};
        ::epoll_ctl(poller_, EPOLL_CTL_MOD, one.fd, &wanted);
    }

    int listener_;
    int poller_;
    std::unordered_map<int, std::shared_ptr<connection>> all_;
    std::priority_queue<moment, std::vector<moment>, later> due_;
    const std::string filler_ = std::string(256UL * 1024, 'b');
    std::array<char, 65536> piece_;
};

}  // namespace

int main() {
    bench::allow_many_files();
    upstream(bench::listen_and_tell()).serve();
}
