// What a user sees with redis-cli: reads the Redis of a running aimeter by its socket, key by key.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

struct redisContext;

namespace tests {

using redis_record = std::map<std::string, std::string>;

class redis_view {
public:
    explicit redis_view(const std::string& socket_path);  // throws when nobody listens there
    redis_view(redis_view&&) noexcept;
    ~redis_view();

    // Each reply as text: an array's elements one after the other, nil as "".
    std::vector<std::string> command(const std::vector<std::string>& words) const;
    std::string text(const std::vector<std::string>& words) const;  // the first element, or ""
    long long number(const std::vector<std::string>& words) const;

    std::vector<redis_record> stream(const std::string& key) const;  // oldest first; the entry id as "_entry"
    redis_record hash(const std::string& key) const;
    pid_t server_pid() const;

private:
    std::unique_ptr<redisContext, void (*)(redisContext*)> context_;
};

}  // namespace tests
