// Runs one coroutine of the code under test on its io_context and fails the test when it does not finish.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <exception>
#include <optional>
#include <stdexcept>
#include <type_traits>

namespace tests {

template <class T>
T run_coroutine(boost::asio::io_context& on, boost::asio::awaitable<T> what,
                std::chrono::milliseconds within = std::chrono::seconds(30)) {
    using slot = std::conditional_t<std::is_void_v<T>, bool, T>;
    std::optional<slot> result;
    std::exception_ptr thrown;
    if constexpr (std::is_void_v<T>) {
        boost::asio::co_spawn(on, std::move(what), [&](std::exception_ptr error) {
            thrown = error;
            result = true;
        });
    } else {
        boost::asio::co_spawn(on, std::move(what), [&](std::exception_ptr error, T value) {
            thrown = error;
            result = std::move(value);
        });
    }
    const auto end = std::chrono::steady_clock::now() + within;
    on.restart();
    while (!result && !thrown && std::chrono::steady_clock::now() < end) {
        on.run_one_until(end);
        if (on.stopped()) break;
    }
    if (thrown) std::rethrow_exception(thrown);
    if (!result) throw std::runtime_error("the coroutine did not finish in time");
    if constexpr (!std::is_void_v<T>) return std::move(*result);
}

}  // namespace tests
