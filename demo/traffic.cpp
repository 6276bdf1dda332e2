#include "demo/traffic.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <boost/system/system_error.hpp>
#include <exception>
#include <iostream>
#include <optional>
#include <vector>

#include "demo/traffic_plan.hpp"

namespace demo {

namespace {

namespace net = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using boost::system::error_code;
using net::ip::tcp;

constexpr auto as_result = net::as_tuple(net::use_awaitable);
constexpr std::chrono::seconds stall{30};
constexpr std::size_t clients = 6;

struct tally {
    std::size_t answered = 0;
    std::size_t failed = 0;
};

// What all clients share; they run on one thread.
struct errand {
    std::string authority;
    tcp::resolver::results_type addresses;
    std::vector<sample_request> day;
    std::size_t next = 0;
    tally result;
};

http::request<http::string_body> message_of(const sample_request& what, const std::string& authority) {
    http::request<http::string_body> message(http::string_to_verb(what.method), what.target, 11);
    message.set(http::field::host, authority);
    message.set(http::field::user_agent, "aimeter-demo");
    if (!what.user.empty()) message.set("X-User-Id", what.user);
    if (!what.plan.empty()) message.set("X-User-Plan", what.plan);
    if (what.method == "POST") {
        message.set(http::field::content_type, "application/json");
        message.body() = what.body;
    }
    message.prepare_payload();
    return message;
}

struct exchange_result {
    error_code ec;
    unsigned status = 0;
    bool keep = false;
};

net::awaitable<exchange_result> exchange(beast::tcp_stream& stream, const sample_request& what,
                                         const std::string& authority) {
    exchange_result result;
    const auto message = message_of(what, authority);
    stream.expires_after(stall);
    const auto [write_error, written] = co_await http::async_write(stream, message, as_result);
    if (write_error) co_return exchange_result{write_error};
    beast::flat_buffer buffer;
    http::response_parser<http::string_body> parser;
    const auto [head_error, head_size] = co_await http::async_read_header(stream, buffer, parser, as_result);
    if (head_error) co_return exchange_result{head_error};
    result.status = parser.get().result_int();
    if (what.leaves_early) {
        const auto [ec, size] = co_await http::async_read_some(stream, buffer, parser, as_result);
        result.ec = ec;
        co_return result;
    }
    const auto [ec, size] = co_await http::async_read(stream, buffer, parser, as_result);
    result.ec = ec;
    result.keep = parser.get().keep_alive();
    co_return result;
}

// An answer is an answer even when it is an error that the plan asked for; these are errors of the way.
bool is_gateway_error(unsigned status, const sample_request& what) {
    if (status == 503) return what.body.find("overloaded") == std::string::npos;
    return status == 502 || status == 504;
}

bool is_as_planned(const exchange_result& result, const sample_request& what) {
    if (is_gateway_error(result.status, what)) return false;
    return what.is_cut ? result.status == 200 && result.ec : !result.ec;
}

net::awaitable<void> send_until_done(errand& all) {
    std::optional<beast::tcp_stream> stream;
    while (all.next < all.day.size()) {
        const sample_request& what = all.day[all.next++];
        exchange_result result;
        if (!stream) {
            stream.emplace(co_await net::this_coro::executor);
            stream->expires_after(stall);
            const auto [ec, endpoint] = co_await stream->async_connect(all.addresses, as_result);
            result.ec = ec;
        }
        if (!result.ec) result = co_await exchange(*stream, what, all.authority);
        const bool fine = is_as_planned(result, what);
        ++(fine ? all.result.answered : all.result.failed);
        if (!fine) {
            std::cerr << "demo traffic: " << what.method << ' ' << what.target << ": "
                      << (result.ec ? result.ec.message() : "answered " + std::to_string(result.status)) << '\n';
        }
        if (result.status == 0) co_return;  // nobody there: the other requests would meet the same
        if (!result.keep || result.ec) stream.reset();
    }
}

}  // namespace

int send_sample_traffic(const std::string& host, std::uint16_t port) {
    try {
        net::io_context context(1);
        errand all;
        all.authority = (host.find(':') == std::string::npos ? host : "[" + host + "]") + ":" + std::to_string(port);
        all.addresses = tcp::resolver(context).resolve(host, std::to_string(port));
        all.day = sample_day();
        std::exception_ptr thrown;
        const auto keep_thrown = [&thrown](std::exception_ptr each) {
            if (each) thrown = std::move(each);
        };
        for (std::size_t i = 0; i < clients; ++i) net::co_spawn(context, send_until_done(all), keep_thrown);
        context.run();
        if (thrown) std::rethrow_exception(thrown);
        std::cout << "demo traffic: " << all.result.answered << " of " << all.day.size()
                  << " requests answered as planned" << std::endl;
        return all.result.failed == 0 && all.result.answered == all.day.size() ? 0 : 1;
    } catch (const boost::system::system_error& error) {
        std::cerr << "aimeter demo: cannot send to " << host << ':' << port << ": " << error.code().message() << '\n';
        return 1;
    } catch (const std::exception& error) {
        std::cerr << "aimeter demo: cannot send to " << host << ':' << port << ": " << error.what() << '\n';
        return 1;
    }
}

}  // namespace demo
