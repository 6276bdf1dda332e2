// Writes all pieces to a stream, waiting where the socket is full. Used by session and exchange.
#pragma once

#include <span>

#include "proxy/stream.hpp"
#include "proxy/task.hpp"

namespace proxy {

// bytes = how many were written in any case; the pieces are used up. The timeout is for each wait.
task<io_result> write_all(stream& to, std::span<iovec> pieces, std::chrono::milliseconds timeout);

inline iovec piece_of(std::string_view bytes) noexcept { return {const_cast<char*>(bytes.data()), bytes.size()}; }

}  // namespace proxy
