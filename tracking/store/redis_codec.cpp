#include "tracking/store/redis_codec.hpp"

#include <hiredis/hiredis.h>
#include <hiredis/read.h>

#include <array>
#include <charconv>

namespace tracking::store {

namespace {

// More elements in one array than any of our reads asks for; a larger one is refused as "out of memory".
constexpr int elements_max = 4'000'000;

// hiredis builds nested replies depth first and gives each its parent and index: every element is built in place.
reply* place_of(const redisReadTask* task) {
    if (!task->parent) return new reply;
    return &static_cast<reply*>(task->parent->obj)->elements[static_cast<std::size_t>(task->idx)];
}

void* create_string(const redisReadTask* task, char* text, std::size_t size) {
    reply* made = place_of(task);
    made->kind = task->type == REDIS_REPLY_ERROR    ? reply::type::error
                 : task->type == REDIS_REPLY_STATUS ? reply::type::status
                                                    : reply::type::text;
    made->text.assign(text, size);
    return made;
}

void* create_array(const redisReadTask* task, int elements) {
    if (elements > elements_max) return nullptr;
    reply* made = place_of(task);
    made->kind = reply::type::array;
    if (elements > 0) made->elements.resize(static_cast<std::size_t>(elements));
    return made;
}

void* create_integer(const redisReadTask* task, long long value) {
    reply* made = place_of(task);
    made->kind = reply::type::integer;
    made->integer = value;
    return made;
}

void* create_nil(const redisReadTask* task) { return place_of(task); }

void free_object(void* root) { delete static_cast<reply*>(root); }

redisReplyObjectFunctions functions{create_string, create_array, create_integer, create_nil, free_object};

}  // namespace

// The protocol's form of a command is this small; redisFormatCommandArgv would copy each batch once more.
void append_command(const command& what, std::string& to) {
    const auto count = [&to](char kind, std::size_t value) {
        std::array<char, 24> digits;
        char* end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
        (to += kind).append(digits.data(), end) += "\r\n";
    };
    std::size_t bytes = to.size() + 32;
    for (const auto& part : what) bytes += part.size() + 16;
    to.reserve(bytes);
    count('*', what.size());
    for (const auto& part : what) {
        count('$', part.size());
        (to += part) += "\r\n";
    }
}

reply_reader::reply_reader() : reader_(redisReaderCreateWithFunctions(&functions)) {
    if (!reader_) error_ = "out of memory";
}

reply_reader::~reply_reader() {
    if (reader_) redisReaderFree(reader_);
}

void reply_reader::feed(std::string_view bytes) {
    if (failed()) return;
    if (redisReaderFeed(reader_, bytes.data(), bytes.size()) != REDIS_OK) error_ = reader_->errstr;
}

std::optional<reply> reply_reader::next() {
    if (failed()) return std::nullopt;
    void* made = nullptr;
    if (redisReaderGetReply(reader_, &made) != REDIS_OK) {
        error_ = reader_->errstr;
        return std::nullopt;
    }
    if (!made) return std::nullopt;
    const std::unique_ptr<reply> owned(static_cast<reply*>(made));
    return std::move(*owned);
}

}  // namespace tracking::store
