#include "demo/service.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/chunk_encode.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/serializer.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <boost/system/system_error.hpp>
#include <csignal>
#include <cstdio>
#include <exception>
#include <iostream>
#include <utility>

#include "demo/shapes.hpp"

namespace demo {

namespace {

namespace net = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using boost::system::error_code;
using net::ip::tcp;
using std::chrono::milliseconds;

constexpr auto as_result = net::as_tuple(net::use_awaitable);
constexpr std::uint64_t body_bytes_max = 8 * 1024 * 1024;
constexpr std::uint32_t header_bytes_max = 32 * 1024;
constexpr std::chrono::seconds stall{60};  // also how long an idle connection is kept

using request_parser = http::request_parser<http::string_body>;

net::awaitable<void> pause(milliseconds duration) {
    if (duration <= milliseconds(0)) co_return;
    net::steady_timer timer(co_await net::this_coro::executor, duration);
    co_await timer.async_wait(as_result);
}

template <class Body>
http::response<Body> head_of(const answer& what, unsigned version, bool keep) {
    http::response<Body> head(http::int_to_status(what.status), version);
    for (const auto& [name, value] : what.fields) head.insert(name, value);
    head.keep_alive(keep);
    return head;
}

net::awaitable<error_code> send_whole(beast::tcp_stream& to, const answer& what, unsigned version, bool keep,
                                      bool head_only) {
    auto response = head_of<http::string_body>(what, version, keep);
    response.body() = what.body;
    response.prepare_payload();
    http::response_serializer<http::string_body> serializer(response);
    to.expires_after(stall);
    if (head_only) {
        const auto [ec, size] = co_await http::async_write_header(to, serializer, as_result);
        co_return ec;
    }
    const auto [ec, size] = co_await http::async_write(to, serializer, as_result);
    co_return ec;
}

// Pieces go out one by one as chunks; to HTTP/1.0, which knows none, as they are, and the connection ends them.
net::awaitable<error_code> send_pieces(beast::tcp_stream& to, const answer& what, unsigned version, bool keep) {
    const bool chunked = version >= 11;
    auto response = head_of<http::empty_body>(what, version, keep && chunked);
    response.chunked(chunked);
    http::response_serializer<http::empty_body> serializer(response);
    to.expires_after(stall);
    const auto [head_error, head_size] = co_await http::async_write_header(to, serializer, as_result);
    if (head_error) co_return head_error;
    const std::size_t count = what.cut ? what.pieces.size() / 2 : what.pieces.size();
    for (std::size_t i = 0; i < count; ++i) {
        if (i > 0) co_await pause(what.pace);
        to.expires_after(stall);
        const auto piece = net::buffer(what.pieces[i]);
        if (chunked) {
            const auto [ec, size] = co_await net::async_write(to, http::make_chunk(piece), as_result);
            if (ec) co_return ec;
        } else {
            const auto [ec, size] = co_await net::async_write(to, piece, as_result);
            if (ec) co_return ec;
        }
    }
    if (what.cut) co_return net::error::connection_aborted;
    if (!chunked) co_return error_code{};
    const auto [ec, size] = co_await net::async_write(to, http::make_chunk_last(), as_result);
    co_return ec;
}

// A whole answer that breaks off: its length is promised and half of it sent.
net::awaitable<error_code> send_half(beast::tcp_stream& to, const answer& what, unsigned version) {
    auto response = head_of<http::empty_body>(what, version, false);
    response.content_length(what.body.size());
    http::response_serializer<http::empty_body> serializer(response);
    to.expires_after(stall);
    const auto [head_error, head_size] = co_await http::async_write_header(to, serializer, as_result);
    if (head_error) co_return head_error;
    const auto half = net::buffer(what.body.data(), what.body.size() / 2);
    const auto [ec, size] = co_await net::async_write(to, half, as_result);
    co_return ec ? ec : error_code(net::error::connection_aborted);
}

net::awaitable<error_code> send(beast::tcp_stream& to, const answer& what, unsigned version, bool keep,
                                bool head_only) {
    co_await pause(what.delay);
    if (what.pieces.empty()) {
        if (what.cut) co_return co_await send_half(to, what, version);
        co_return co_await send_whole(to, what, version, keep, head_only);
    }
    co_return co_await send_pieces(to, what, version, keep);
}

// Reads one request, head first, since a client may wait to be told to go on.
net::awaitable<error_code> receive(beast::tcp_stream& from, beast::flat_buffer& buffer, request_parser& parser) {
    parser.body_limit(body_bytes_max);
    parser.header_limit(header_bytes_max);
    from.expires_after(stall);
    const auto [head_error, head_size] = co_await http::async_read_header(from, buffer, parser, as_result);
    if (head_error) co_return head_error;
    if (beast::iequals(parser.get()[http::field::expect], "100-continue")) {
        static constexpr std::string_view go_on = "HTTP/1.1 100 Continue\r\n\r\n";
        const auto [ec, size] = co_await net::async_write(from, net::buffer(go_on), as_result);
        if (ec) co_return ec;
    }
    const auto [ec, size] = co_await http::async_read(from, buffer, parser, as_result);
    co_return ec;
}

// The answer to bytes that are no request; nullopt where nobody waits for one.
std::optional<answer> refusal(const error_code& why) {
    if (why == http::error::end_of_stream || why == http::error::partial_message) return std::nullopt;
    if (why.category() != http::make_error_code(http::error::bad_method).category()) return std::nullopt;
    answer result;
    result.status = why == http::error::body_limit ? 413 : 400;
    result.fields = {{"Content-Type", "application/json; charset=utf-8"}};
    result.body = error_body(api::gemini, result.status);
    return result;
}

void log_if_thrown(const std::exception_ptr& thrown) {
    if (!thrown) return;
    try {
        std::rethrow_exception(thrown);
    } catch (const std::exception& error) {
        std::cerr << "demo: " << error.what() << '\n';
    }
}

tcp::endpoint resolve(net::io_context& context, const std::string& host, std::uint16_t port) {
    tcp::resolver resolver(context);
    return *resolver.resolve(host, std::to_string(port), tcp::resolver::passive).begin();
}

}  // namespace

service::service(net::io_context& context, const std::string& host, std::uint16_t port)
    : context_(context), acceptor_(context, resolve(context, host, port)), port_(acceptor_.local_endpoint().port()) {
    net::co_spawn(context_, accept_all(), log_if_thrown);
}

net::awaitable<void> service::accept_all() {
    for (;;) {
        auto [ec, socket] = co_await acceptor_.async_accept(as_result);
        if (ec == net::error::operation_aborted) co_return;
        if (ec) {
            co_await pause(milliseconds(100));  // out of descriptors, usually
            continue;
        }
        socket.set_option(tcp::no_delay(true), ec);
        net::co_spawn(context_, serve(std::move(socket)), log_if_thrown);
    }
}

net::awaitable<void> service::serve(tcp::socket socket) {
    beast::tcp_stream stream(std::move(socket));
    beast::flat_buffer buffer;
    for (bool keep = true; keep;) {
        request_parser parser;
        error_code ec = co_await receive(stream, buffer, parser);
        const auto& asked = parser.get();
        if (ec) {
            const auto refused = refusal(ec);
            if (refused) co_await send(stream, *refused, 11, false, false);
            break;
        }
        keep = asked.keep_alive();
        const std::string_view method(asked.method_string().data(), asked.method_string().size());
        const std::string_view target(asked.target().data(), asked.target().size());
        const answer reply = application_.respond({method, target, asked.body()});
        ec = co_await send(stream, reply, asked.version(), keep, asked.method() == http::verb::head);
        if (ec) co_return;  // the socket closes with the stream: an answer that was cut is seen to be cut
        keep = keep && (reply.pieces.empty() || asked.version() >= 11);
    }
    error_code ignored;
    stream.socket().shutdown(tcp::socket::shutdown_send, ignored);
}

int run(const std::string& host, std::uint16_t port) {
    try {
        net::io_context context(1);
        const service serving(context, host, port);
        net::signal_set signals(context, SIGINT, SIGTERM);
        signals.async_wait([&](const error_code&, int) { context.stop(); });
        const bool v6 = host.find(':') != std::string::npos;
        std::cout << "demo ready: listening on " << (v6 ? "[" + host + "]" : host) << ':' << serving.port()
                  << std::endl;
        context.run();
        return 0;
    } catch (const boost::system::system_error& error) {
        std::cerr << "aimeter demo: cannot listen on " << host << ':' << port << ": " << error.code().message() << '\n';
        return 1;
    } catch (const std::exception& error) {
        std::cerr << "aimeter demo: cannot listen on " << host << ':' << port << ": " << error.what() << '\n';
        return 1;
    }
}

}  // namespace demo
