// The codec: commands to bytes, and with hiredis bytes to replies. No socket. Used by redis_client.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tracking/store/redis_client.hpp"

struct redisReader;

namespace tracking::store {

void append_command(const command& what, std::string& to);

class reply_reader {
public:
    reply_reader();
    ~reply_reader();
    reply_reader(const reply_reader&) = delete;
    reply_reader& operator=(const reply_reader&) = delete;

    void feed(std::string_view bytes);
    // The next whole reply. nullopt with failed() false = more bytes are needed.
    std::optional<reply> next();
    bool failed() const { return !error_.empty(); }
    const std::string& error() const { return error_; }

private:
    redisReader* reader_;
    std::string error_;
};

}  // namespace tracking::store
