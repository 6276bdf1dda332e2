// A relay on a unix socket before a real server: passes bytes on, and on demand swallows the server's answers, cuts
// every connection, or cuts in the middle of what a client sends. Runs on the test's io_context.
#pragma once

#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <memory>
#include <string>
#include <vector>

namespace tests {

class byte_relay {
public:
    byte_relay(boost::asio::io_context& on, std::string listen, std::string target)
        : context_(on),
          acceptor_(on, protocol::endpoint(listen)),
          target_(std::move(target)),
          path_(std::move(listen)) {
        boost::asio::co_spawn(context_, accept(), boost::asio::detached);
    }
    ~byte_relay() {
        boost::system::error_code ignored;
        acceptor_.close(ignored);
        cut();
        ::unlink(path_.c_str());
    }
    std::string url() const { return "unix:" + path_; }

    bool swallow_answers = false;      // what the server says goes nowhere
    std::size_t cut_after = SIZE_MAX;  // cut once this many more bytes went to the server
    int connections = 0;

    void cut() {
        for (auto& one : pairs_) {
            boost::system::error_code ignored;
            one->client.close(ignored);
            one->server.close(ignored);
        }
        pairs_.clear();
    }

private:
    using protocol = boost::asio::local::stream_protocol;
    struct pair {
        explicit pair(boost::asio::io_context& on) : client(on), server(on) {}
        protocol::socket client, server;
    };
    static constexpr auto as_result = boost::asio::as_tuple(boost::asio::use_awaitable);

    boost::asio::awaitable<void> accept() {
        while (acceptor_.is_open()) {
            auto made = std::make_shared<pair>(context_);
            auto [error] = co_await acceptor_.async_accept(made->client, as_result);
            if (error) co_return;
            ++connections;
            boost::system::error_code failed;
            made->server.connect(protocol::endpoint(target_), failed);
            if (failed) continue;
            pairs_.push_back(made);
            boost::asio::co_spawn(context_, pump(made, true), boost::asio::detached);
            boost::asio::co_spawn(context_, pump(made, false), boost::asio::detached);
        }
    }
    boost::asio::awaitable<void> pump(std::shared_ptr<pair> of, bool upwards) {
        auto& from = upwards ? of->client : of->server;
        auto& to = upwards ? of->server : of->client;
        std::vector<char> piece(16 * 1024);
        while (true) {
            auto [error, size] = co_await from.async_read_some(boost::asio::buffer(piece), as_result);
            if (error) break;
            if (!upwards && swallow_answers) continue;
            const std::size_t allowed = upwards ? std::min(size, cut_after) : size;
            if (upwards && cut_after != SIZE_MAX) cut_after -= allowed;
            auto [failed, written] =
                co_await boost::asio::async_write(to, boost::asio::buffer(piece.data(), allowed), as_result);
            if (failed || allowed < size) break;
        }
        boost::system::error_code ignored;
        of->client.close(ignored);
        of->server.close(ignored);
    }

    boost::asio::io_context& context_;
    protocol::acceptor acceptor_;
    std::string target_, path_;
    std::vector<std::shared_ptr<pair>> pairs_;
};

}  // namespace tests
