#include "tests/support/redis_view.hpp"

#include <hiredis/hiredis.h>

#include <cstdlib>
#include <stdexcept>

namespace tests {
namespace {

using reply_ptr = std::unique_ptr<redisReply, void (*)(void*)>;

reply_ptr send(redisContext* to, const std::vector<std::string>& words) {
    std::vector<const char*> texts;
    std::vector<std::size_t> sizes;
    for (const auto& word : words) texts.push_back(word.data()), sizes.push_back(word.size());
    void* const raw = redisCommandArgv(to, static_cast<int>(words.size()), texts.data(), sizes.data());
    reply_ptr reply(static_cast<redisReply*>(raw), freeReplyObject);
    if (!reply) throw std::runtime_error(std::string("redis: ") + to->errstr);
    if (reply->type == REDIS_REPLY_ERROR) throw std::runtime_error("redis: " + std::string(reply->str, reply->len));
    return reply;
}

void flatten(const redisReply& reply, std::vector<std::string>& to) {
    if (reply.type == REDIS_REPLY_ARRAY) {
        for (std::size_t i = 0; i < reply.elements; ++i) flatten(*reply.element[i], to);
    } else if (reply.type == REDIS_REPLY_INTEGER) {
        to.push_back(std::to_string(reply.integer));
    } else {
        to.emplace_back(reply.str == nullptr ? "" : std::string(reply.str, reply.len));
    }
}

}  // namespace

redis_view::redis_view(const std::string& socket_path) : context_(nullptr, redisFree) {
    const timeval limit{5, 0};
    context_.reset(redisConnectUnixWithTimeout(socket_path.c_str(), limit));
    if (!context_ || context_->err != 0) throw std::runtime_error("no redis at " + socket_path);
    redisSetTimeout(context_.get(), limit);
}

redis_view::redis_view(redis_view&&) noexcept = default;
redis_view::~redis_view() = default;

std::vector<std::string> redis_view::command(const std::vector<std::string>& words) const {
    std::vector<std::string> out;
    flatten(*send(context_.get(), words), out);
    return out;
}

std::string redis_view::text(const std::vector<std::string>& words) const {
    const auto all = command(words);
    return all.empty() ? "" : all.front();
}

long long redis_view::number(const std::vector<std::string>& words) const {
    return std::strtoll(text(words).c_str(), nullptr, 10);
}

std::vector<redis_record> redis_view::stream(const std::string& key) const {
    std::vector<redis_record> out;
    const auto reply = send(context_.get(), {"XRANGE", key, "-", "+"});
    for (std::size_t i = 0; i < reply->elements; ++i) {
        const redisReply& entry = *reply->element[i];
        std::vector<std::string> parts;
        flatten(*entry.element[1], parts);
        redis_record one{{"_entry", entry.element[0]->str}};
        for (std::size_t f = 0; f + 1 < parts.size(); f += 2) one[parts[f]] = parts[f + 1];
        out.push_back(std::move(one));
    }
    return out;
}

redis_record redis_view::hash(const std::string& key) const {
    redis_record out;
    const auto parts = command({"HGETALL", key});
    for (std::size_t f = 0; f + 1 < parts.size(); f += 2) out[parts[f]] = parts[f + 1];
    return out;
}

pid_t redis_view::server_pid() const {
    const std::string info = text({"INFO", "server"});
    const auto at = info.find("process_id:");
    // Never 0: a test that kills it would kill its own process group.
    if (at == std::string::npos) throw std::runtime_error("redis: INFO tells no process_id");
    return static_cast<pid_t>(std::strtol(info.c_str() + at + 11, nullptr, 10));
}

}  // namespace tests
