// Compresses a body on its way, piece by piece (RFC 1952). About 260 KB of memory each.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace admin {

class gzip {
public:
    gzip();
    ~gzip();
    gzip(const gzip&) = delete;
    gzip& operator=(const gzip&) = delete;

    // All of `bytes` can be read from what was returned so far; `last` = and nothing follows.
    std::string pack(std::string_view bytes, bool last);

private:
    struct state;
    std::unique_ptr<state> state_;
};

}  // namespace admin
