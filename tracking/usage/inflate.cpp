#include <zlib.h>

#include <algorithm>
#include <limits>
#include <new>

#include "tracking/usage/codings.hpp"

namespace tracking::usage {

namespace {

constexpr int zlib_window = 15;
constexpr int gzip_window = 15 + 16;
constexpr int raw_window = -15;

class zlib_coding : public coding {
public:
    ~zlib_coding() override {
        if (ready_) inflateEnd(&stream_);
    }

    void rest() noexcept final {}

protected:
    bool start(int window) noexcept {
        if (ready_) return inflateReset2(&stream_, window) == Z_OK;
        ready_ = inflateInit2(&stream_, window) == Z_OK;
        return ready_;
    }

    progress inflate_some(std::string_view from, std::span<char> to) noexcept {
        constexpr std::size_t most = std::numeric_limits<uInt>::max();
        // zlib does not write through next_in; its interface merely lacks the const.
        stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(from.data()));
        stream_.avail_in = static_cast<uInt>(std::min(from.size(), most));
        stream_.next_out = reinterpret_cast<Bytef*>(to.data());
        stream_.avail_out = static_cast<uInt>(std::min(to.size(), most));
        const uInt in = stream_.avail_in;
        const uInt out = stream_.avail_out;
        const int code = inflate(&stream_, Z_NO_FLUSH);
        progress done{in - stream_.avail_in, out - stream_.avail_out};
        if (code == Z_STREAM_END) {
            done.state = result::end;
        } else if (code != Z_OK && code != Z_BUF_ERROR) {  // Z_BUF_ERROR: it only wants more room or input
            done.state = result::corrupt;
        }
        return done;
    }

private:
    z_stream stream_{};
    bool ready_ = false;
};

class gzip_coding final : public zlib_coding {
public:
    bool begin() noexcept override {
        between_members_ = false;
        return start(gzip_window);
    }

    progress decode(std::string_view from, std::span<char> to) noexcept override {
        if (between_members_) {
            if (from.empty()) return {};
            constexpr char first_magic_byte = '\x1F';
            if (from[0] != first_magic_byte) return {from.size(), 0, result::end};  // padding behind the last member
            between_members_ = false;
            if (!start(gzip_window)) return {0, 0, result::corrupt};
        }
        progress done = inflate_some(from, to);
        if (done.state == result::end) {
            between_members_ = true;
            done.state = result::more;
        }
        return done;
    }

private:
    bool between_members_ = false;
};

class deflate_coding final : public zlib_coding {
public:
    bool begin() noexcept override {
        head_size_ = 0;
        decided_ = false;
        return true;
    }

    progress decode(std::string_view from, std::span<char> to) noexcept override {
        if (decided_) return inflate_some(from, to);
        if (from.empty()) return {};
        head_[head_size_++] = from[0];
        if (head_size_ < sizeof head_) return {1, 0, result::more};
        decided_ = true;
        if (!start(has_zlib_header() ? zlib_window : raw_window)) return {0, 0, result::corrupt};
        progress head = inflate_some(std::string_view(head_, sizeof head_), to);
        head.read = 1;
        return head;
    }

private:
    bool has_zlib_header() const noexcept {
        const auto method = static_cast<unsigned char>(head_[0]);
        const auto flags = static_cast<unsigned char>(head_[1]);
        return (method & 0x0FU) == 8 && (method * 256U + flags) % 31 == 0;
    }

    char head_[2] = {};
    std::size_t head_size_ = 0;
    bool decided_ = false;
};

}  // namespace

std::unique_ptr<coding> make_gzip_coding() noexcept { return std::unique_ptr<coding>(new (std::nothrow) gzip_coding); }

std::unique_ptr<coding> make_deflate_coding() noexcept {
    return std::unique_ptr<coding>(new (std::nothrow) deflate_coding);
}

}  // namespace tracking::usage
