// Sends what control answered to an admin request: whole, or piece by piece, where a piece is asked for when the one
// before has been written, so that a slow client slows the reading and memory is one piece. Used by session.
#pragma once

#include "admin-api/api.hpp"
#include "proxy/task.hpp"
#include "proxy/worker_parts.hpp"

namespace proxy {

struct admin_client {
    worker_parts& parts;
    stream& client;
    buffer& received;  // what the client sends ahead
    std::chrono::milliseconds timeout;
    int minor_version;
    bool to_head;
    bool stays;       // the client wants the connection to stay, and it may
    bool half_close;  // a client that ended its sending side still reads
};

// "Name: value" lines of an answer.
std::string field_lines(const admin::response& of);

// True = the connection can take another request. False = it is over; an answer that is not whole has been cut so that
// nobody takes it for one.
task<bool> send_answer(admin_client to, admin::response answer);

}  // namespace proxy
