// The wire between aimeter and its Redis, in a test's hands: a relay on a unix socket, on a thread of its own, that
// delays, throttles, swallows answers, cuts at a given byte, or keeps what a dead connection sent and delivers it late.
#pragma once

#include <array>
#include <atomic>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <thread>

namespace tests {

class redis_wire {
public:
    redis_wire(std::string listen, std::string target)
        : path_(std::move(listen)), target_(std::move(target)), acceptor_(context_, protocol::endpoint(path_)) {
        boost::asio::co_spawn(context_, accept(), boost::asio::detached);
        thread_ = std::thread([this] { context_.run(); });
    }
    ~redis_wire() {
        context_.stop();
        thread_.join();
    }
    redis_wire(const redis_wire&) = delete;
    redis_wire& operator=(const redis_wire&) = delete;

    std::string url() const { return "unix:" + path_; }

    static constexpr std::int64_t never = INT64_MAX;
    // After so many more bytes all connections are cut; the byte behind is not delivered.
    std::atomic<std::int64_t> request_bytes_left{never}, answer_bytes_left{never};
    std::atomic<bool> swallow_answers{false};
    std::atomic<int> delay_ms{0};                 // of each piece, either way
    std::atomic<std::int64_t> bytes_a_second{0};  // of requests; 0 = as they come
    // The next commands are kept, and their connection is cut towards aimeter; deliver_stranded() lets Redis have them.
    std::atomic<bool> strand{false};

    int connections() const { return connections_; }
    int cuts() const { return cuts_; }
    std::size_t stranded() const { return stranded_; }  // connections

    void cut() {
        boost::asio::post(context_, [this] { cut_all(); });
    }
    void deliver_stranded() { boost::asio::co_spawn(context_, deliver(), boost::asio::detached); }

private:
    using protocol = boost::asio::local::stream_protocol;
    struct pair {
        explicit pair(boost::asio::io_context& on) : client(on), server(on), pause(on) {}
        protocol::socket client, server;
        boost::asio::steady_timer pause;
        std::string kept;  // of a stranded connection
        void close() {
            boost::system::error_code ignored;
            client.close(ignored);
            server.close(ignored);
        }
    };
    static constexpr auto as_result = boost::asio::as_tuple(boost::asio::use_awaitable);

    void cut_all() {
        ++cuts_;
        for (auto& one : pairs_) one->close();
        pairs_.clear();
    }

    boost::asio::awaitable<void> accept() {
        while (true) {
            auto made = std::make_shared<pair>(context_);
            auto [error] = co_await acceptor_.async_accept(made->client, as_result);
            if (error) co_return;
            ++connections_;
            boost::system::error_code failed;
            made->server.connect(protocol::endpoint(target_), failed);
            if (failed) continue;
            pairs_.push_back(made);
            boost::asio::co_spawn(context_, requests(made), boost::asio::detached);
            boost::asio::co_spawn(context_, answers(made), boost::asio::detached);
        }
    }

    // How much of this piece may go on; 0 or less than `size` = then all connections are cut.
    static std::size_t allowed(std::atomic<std::int64_t>& left, std::size_t size) {
        if (left == never) return size;
        const auto may = static_cast<std::size_t>(std::min<std::int64_t>(left, static_cast<std::int64_t>(size)));
        left -= static_cast<std::int64_t>(may);
        return may;
    }

    boost::asio::awaitable<void> requests(std::shared_ptr<pair> of) {
        std::array<char, 16 * 1024> piece;
        while (true) {
            const std::int64_t rate = bytes_a_second;
            const std::size_t most = rate == 0 ? piece.size() : static_cast<std::size_t>(rate / 50 + 1);
            const auto into = boost::asio::buffer(piece, most);
            auto [error, size] = co_await of->client.async_read_some(into, as_result);
            if (error) break;
            if (strand) {
                of->kept.assign(piece.data(), size);
                co_await strand_rest(of);
                co_return;
            }
            const int wait = rate == 0 ? delay_ms.load() : 20;
            if (wait > 0) {
                of->pause.expires_after(std::chrono::milliseconds(wait));
                co_await of->pause.async_wait(as_result);
            }
            if (!co_await pass(of, of->server, {piece.data(), size}, request_bytes_left)) co_return;
        }
        of->close();
    }

    boost::asio::awaitable<void> answers(std::shared_ptr<pair> of) {
        std::array<char, 16 * 1024> piece;
        boost::asio::steady_timer pause(context_);
        while (true) {
            const auto into = boost::asio::buffer(piece);
            auto [error, size] = co_await of->server.async_read_some(into, as_result);
            if (error) break;
            if (swallow_answers) continue;
            if (delay_ms > 0) {
                pause.expires_after(std::chrono::milliseconds(delay_ms));
                co_await pause.async_wait(as_result);
            }
            if (!co_await pass(of, of->client, {piece.data(), size}, answer_bytes_left)) co_return;
        }
        if (of->kept.empty()) of->close();
    }

    // False = it was cut.
    boost::asio::awaitable<bool> pass(std::shared_ptr<pair> of, protocol::socket& to, std::string_view bytes,
                                      std::atomic<std::int64_t>& left) {
        const std::size_t may = allowed(left, bytes.size());
        auto [failed, written] =
            co_await boost::asio::async_write(to, boost::asio::buffer(bytes.data(), may), as_result);
        if (may < bytes.size()) {
            left = never;
            cut_all();
        }
        if (failed) of->close();
        co_return !failed && may == bytes.size();
    }

    // What it goes on to send, until it waits for the answer; then it is cut off towards aimeter alone.
    boost::asio::awaitable<void> strand_rest(std::shared_ptr<pair> of) {
        strand = false;
        boost::system::error_code ignored;
        std::array<char, 16 * 1024> piece;
        do {
            while (of->client.available(ignored) > 0)
                of->kept.append(piece.data(), of->client.read_some(boost::asio::buffer(piece), ignored));
            of->pause.expires_after(std::chrono::milliseconds(30));
            co_await of->pause.async_wait(as_result);
        } while (of->client.available(ignored) > 0);
        pairs_.remove(of);
        dead_.push_back(of);
        of->client.close(ignored);
        stranded_ = dead_.size();
    }

    boost::asio::awaitable<void> deliver() {
        for (const auto& one : dead_)
            co_await boost::asio::async_write(one->server, boost::asio::buffer(one->kept), as_result);
    }

    const std::string path_, target_;
    boost::asio::io_context context_{1};
    protocol::acceptor acceptor_;
    std::list<std::shared_ptr<pair>> pairs_, dead_;
    std::atomic<int> connections_{0}, cuts_{0};
    std::atomic<std::size_t> stranded_{0};
    std::thread thread_;
};

}  // namespace tests
