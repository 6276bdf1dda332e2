// Blocks of memory for bytes on their way. A connection that waits holds none: it takes one from its worker's pool
// when bytes arrive and gives it back when they are gone. One thread.
#pragma once

#include <cstring>
#include <memory>
#include <new>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace proxy {

// Blocks begin with a page, so that one of which little is used holds few pages.
struct block_delete {
    static constexpr std::align_val_t alignment{4096};
    void operator()(char* block) const noexcept { ::operator delete[](block, alignment); }
};
using memory_block = std::unique_ptr<char[], block_delete>;
inline memory_block make_block(std::size_t bytes) { return memory_block(new (block_delete::alignment) char[bytes]); }

class buffer_pool {
public:
    static constexpr std::size_t block_bytes = 32 * 1024;

    memory_block take() {
        if (free_.empty()) return make_block(block_bytes);
        auto block = std::move(free_.back());
        free_.pop_back();
        return block;
    }
    void give(memory_block block) {
        if (free_.size() < max_free) free_.push_back(std::move(block));
    }

private:
    static constexpr std::size_t max_free = 32;  // 1 MB a worker
    std::vector<memory_block> free_;
};

// A window of filled bytes in a block: filled at its end, consumed from its beginning. A fresh one begins a little
// behind the block's front, so that a head which grows on its way still fits before the body that came with it.
class buffer {
public:
    static constexpr std::size_t front_bytes = 512;

    explicit buffer(buffer_pool& pool) noexcept : pool_(&pool) {}
    buffer(const buffer&) = delete;
    buffer& operator=(const buffer&) = delete;
    // The other one is empty then, and usable; views of the bytes stay.
    buffer(buffer&& other) noexcept
        : pool_(other.pool_),
          data_(std::move(other.data_)),
          begin_(std::exchange(other.begin_, 0)),
          end_(std::exchange(other.end_, 0)),
          capacity_(std::exchange(other.capacity_, 0)) {}
    ~buffer() { release(); }

    std::string_view view() const noexcept { return {data_.get() + begin_, end_ - begin_}; }
    std::span<char> bytes() noexcept { return {data_.get() + begin_, end_ - begin_}; }
    bool empty() const noexcept { return begin_ == end_; }
    std::size_t size() const noexcept { return end_ - begin_; }
    bool full() const noexcept { return data_ && end_ == capacity_; }
    // Free room behind the filled bytes, taking a block when there is none.
    std::span<char> room() {
        if (!data_) acquire(buffer_pool::block_bytes);
        return {data_.get() + end_, capacity_ - end_};
    }
    void filled(std::size_t n) noexcept { end_ += n; }
    void consume(std::size_t n) noexcept {
        begin_ += n;
        if (begin_ == end_) begin_ = end_ = data_ ? front_bytes : 0;
    }
    // Bytes of the block in front of `at`, which lies within the filled bytes: consumed, or never filled.
    std::size_t before(const char* at) const noexcept { return static_cast<std::size_t>(at - data_.get()); }
    // Moves the filled bytes to the front of the block (views of them end here).
    void compact() noexcept {
        if (begin_ == 0) return;
        std::memmove(data_.get(), data_.get() + begin_, size());
        end_ -= begin_;
        begin_ = 0;
    }
    // Room for `n` bytes in all, moving to a larger block where needed (views of the bytes end here).
    void reserve(std::size_t n) {
        if (capacity_ >= n) return compact();
        auto larger = make_block(n);
        const std::size_t held = size();
        if (held != 0) std::memcpy(larger.get(), data_.get() + begin_, held);
        release();
        data_ = std::move(larger);
        capacity_ = n;
        begin_ = 0;
        end_ = held;
    }
    void append(std::string_view more) {
        if (more.empty()) return;
        if (room().size() < more.size()) reserve(size() + more.size());
        std::memcpy(data_.get() + end_, more.data(), more.size());
        end_ += more.size();
    }
    // Gives the block back; the bytes are gone.
    void release() noexcept {
        if (data_ && capacity_ == buffer_pool::block_bytes) pool_->give(std::move(data_));
        data_.reset();
        begin_ = end_ = capacity_ = 0;
    }

private:
    void acquire(std::size_t n) {
        data_ = n == buffer_pool::block_bytes ? pool_->take() : make_block(n);
        capacity_ = n;
        begin_ = end_ = front_bytes;
    }

    buffer_pool* pool_;
    memory_block data_;
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
    std::size_t capacity_ = 0;
};

}  // namespace proxy
