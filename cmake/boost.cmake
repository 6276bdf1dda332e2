# Asio and Beast are compiled once, here (separate compilation), and the rest includes declarations only.
find_package(Boost 1.81 REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)

add_library(asio_impl STATIC ${PROJECT_SOURCE_DIR}/cmake/asio_impl.cpp)
target_compile_definitions(asio_impl PUBLIC BOOST_ASIO_SEPARATE_COMPILATION BOOST_ASIO_NO_DEPRECATED)
target_link_libraries(asio_impl PUBLIC aimeter_options Boost::headers OpenSSL::SSL OpenSSL::Crypto)

add_library(beast_impl STATIC ${PROJECT_SOURCE_DIR}/cmake/beast_impl.cpp)
target_compile_definitions(beast_impl PUBLIC BOOST_BEAST_SEPARATE_COMPILATION)
target_link_libraries(beast_impl PUBLIC asio_impl)

# `asio` is what our targets link. Its header list is precompiled once; a target takes it with
#   target_precompile_headers(<target> REUSE_FROM asio)
add_library(asio STATIC ${PROJECT_SOURCE_DIR}/cmake/pch.cpp)
target_link_libraries(asio PUBLIC asio_impl spdlog::spdlog fmt::fmt)
target_precompile_headers(asio PRIVATE
    <algorithm> <array> <chrono> <coroutine> <functional> <map> <memory> <optional> <span> <string> <string_view>
    <unordered_map> <variant> <vector>
    <boost/asio/any_io_executor.hpp> <boost/asio/as_tuple.hpp> <boost/asio/awaitable.hpp> <boost/asio/co_spawn.hpp>
    <boost/asio/generic/stream_protocol.hpp> <boost/asio/io_context.hpp> <boost/asio/ip/tcp.hpp>
    <boost/asio/local/stream_protocol.hpp> <boost/asio/post.hpp> <boost/asio/read.hpp> <boost/asio/steady_timer.hpp>
    <boost/asio/use_awaitable.hpp> <boost/asio/write.hpp> <spdlog/spdlog.h>)
