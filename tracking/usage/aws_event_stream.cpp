#include "tracking/usage/aws_event_stream.hpp"

#include <zlib.h>

#include <algorithm>
#include <cstring>

namespace tracking::usage {

namespace {

constexpr std::size_t prelude_size = 12;
constexpr std::size_t checksum_size = 4;

std::uint32_t crc(std::uint32_t so_far, std::string_view bytes) noexcept {
    return static_cast<std::uint32_t>(
        crc32(so_far, reinterpret_cast<const Bytef*>(bytes.data()), static_cast<uInt>(bytes.size())));
}

std::string_view take(std::string_view& from, std::size_t most) noexcept {
    const std::string_view taken = from.substr(0, most);
    from.remove_prefix(taken.size());
    return taken;
}

}  // namespace

template <std::size_t room>
void aws_event_stream::kept<room>::append(std::string_view piece) noexcept {
    const std::size_t used = std::min(piece.size(), room - size);
    std::memcpy(bytes.data() + size, piece.data(), used);
    size = static_cast<std::uint16_t>(size + used);
}

void aws_event_stream::reset() noexcept {
    state_ = state::prelude;
    collected_size_ = 0;
}

void aws_event_stream::feed(std::string_view bytes) noexcept {
    while (!bytes.empty() && state_ != state::broken) {
        switch (state_) {
            case state::prelude:
                if (collect(bytes, prelude_size)) begin_message();
                break;
            case state::headers:
                read_headers(bytes);
                break;
            case state::payload:
                read_payload(bytes);
                break;
            case state::checksum:
                if (collect(bytes, checksum_size)) end_message();
                break;
            case state::broken:
                break;
        }
    }
}

bool aws_event_stream::collect(std::string_view& bytes, std::size_t wanted) noexcept {
    const std::string_view piece = take(bytes, wanted - collected_size_);
    std::memcpy(collected_.data() + collected_size_, piece.data(), piece.size());
    collected_size_ = static_cast<std::uint8_t>(collected_size_ + piece.size());
    if (collected_size_ < wanted) return false;
    collected_size_ = 0;
    return true;
}

std::uint32_t aws_event_stream::collected(std::size_t at) const noexcept {
    std::uint32_t value = 0;
    for (std::size_t i = at; i < at + 4; ++i) value = value << 8U | static_cast<unsigned char>(collected_[i]);
    return value;
}

void aws_event_stream::begin_message() noexcept {
    const std::uint32_t total = collected(0);
    const std::uint32_t headers = collected(4);
    constexpr std::uint32_t frame = prelude_size + checksum_size;
    const bool right = crc(0, {collected_.data(), 8}) == collected(8) && total >= frame && total <= longest_message &&
                       headers <= longest_headers && headers <= total - frame;
    if (!right) {
        state_ = state::broken;
        return;
    }
    checksum_ = crc(0, {collected_.data(), prelude_size});
    headers_left_ = headers;
    payload_left_ = total - frame - headers;
    message_type_.size = 0;
    name_.size = 0;
    error_message_.size = 0;
    part_ = header_part::name_size;
    state_ = state::headers;
    if (headers == 0) end_headers();
}

// ---- Headers ----------------------------------------------------------------------------------------------------

void aws_event_stream::read_headers(std::string_view& bytes) noexcept {
    std::string_view piece = take(bytes, headers_left_);
    checksum_ = crc(checksum_, piece);
    headers_left_ -= static_cast<std::uint32_t>(piece.size());
    while (!piece.empty() && state_ == state::headers) {
        if (part_ == header_part::value) {
            read_value(take(piece, part_left_));
        } else {
            read_header_byte(take(piece, 1)[0]);
        }
    }
    if (state_ == state::headers && headers_left_ == 0) end_headers();
}

void aws_event_stream::read_header_byte(char c) noexcept {
    const auto byte = static_cast<std::uint8_t>(c);
    switch (part_) {
        case header_part::name_size:
            header_name_.size = 0;
            part_left_ = byte;
            part_ = header_part::name;
            if (byte == 0) state_ = state::broken;
            break;
        case header_part::name:
            header_name_.append({&c, 1});
            if (--part_left_ == 0) part_ = header_part::type;
            break;
        case header_part::type:
            begin_value(byte);
            break;
        default:  // the two bytes of value_size
            if (collected_size_++ == 0) {
                part_left_ = static_cast<std::uint16_t>(byte << 8U);
                break;
            }
            collected_size_ = 0;
            part_left_ = static_cast<std::uint16_t>(part_left_ | byte);
            part_ = part_left_ == 0 ? header_part::name_size : header_part::value;
            break;
    }
}

void aws_event_stream::begin_value(std::uint8_t type) noexcept {
    // true, false, byte, short, integer, long, bytes, string, timestamp, UUID
    constexpr std::uint8_t bytes_type = 6;
    constexpr std::uint8_t string_type = 7;
    static constexpr std::array<std::uint8_t, 10> sizes{0, 0, 1, 2, 4, 8, 0, 0, 8, 16};
    if (type >= sizes.size()) {
        state_ = state::broken;
        return;
    }
    text_value_ = type == string_type;
    part_left_ = sizes[type];
    if (type == bytes_type || type == string_type) {
        part_ = header_part::value_size;
    } else {
        part_ = part_left_ == 0 ? header_part::name_size : header_part::value;
    }
}

void aws_event_stream::read_value(std::string_view piece) noexcept {
    const std::string_view header = header_name_.text();
    if (text_value_) {
        if (header == ":message-type") message_type_.append(piece);
        if (header == ":event-type" || header == ":exception-type" || header == ":error-code") name_.append(piece);
        if (header == ":error-message") error_message_.append(piece);
    }
    part_left_ = static_cast<std::uint16_t>(part_left_ - piece.size());
    if (part_left_ == 0) part_ = header_part::name_size;
}

void aws_event_stream::end_headers() noexcept {
    if (part_ != header_part::name_size) {  // the last one goes beyond the end of the headers
        state_ = state::broken;
        return;
    }
    held_ = payload_left_ <= payload_.bytes.size();
    payload_.size = 0;
    if (!held_) sink_.on_message();
    state_ = payload_left_ == 0 ? state::checksum : state::payload;
}

// ---- Payload and end --------------------------------------------------------------------------------------------

void aws_event_stream::read_payload(std::string_view& bytes) noexcept {
    const std::string_view piece = take(bytes, payload_left_);
    checksum_ = crc(checksum_, piece);
    payload_left_ -= static_cast<std::uint32_t>(piece.size());
    if (payload_left_ == 0) state_ = state::checksum;
    if (held_) {
        payload_.append(piece);
    } else {
        sink_.on_payload(piece);
    }
}

void aws_event_stream::end_message() noexcept {
    state_ = collected(0) == checksum_ ? state::prelude : state::broken;
    if (state_ == state::broken) return;
    if (held_) {
        sink_.on_message();
        sink_.on_payload(payload_.text());
    }
    sink_.on_message_end();
}

}  // namespace tracking::usage
