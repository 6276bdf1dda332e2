#include "admin-api/websocket.hpp"

#include <openssl/evp.h>
#include <openssl/sha.h>

#include <algorithm>

#include "admin-api/utf8.hpp"

namespace admin::websocket {

namespace {

constexpr std::string_view handshake_guid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
constexpr std::size_t longest_control = 125;
constexpr std::uint8_t length_in_2_bytes = 126, length_in_8_bytes = 127;

std::uint8_t byte(std::uint64_t number, int which) { return static_cast<std::uint8_t>(number >> (8 * which) & 0xFF); }

// Codes that may stand in a frame: those of the RFC and of IANA's registry, and those for applications.
bool may_be_sent(unsigned code) {
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
}

}  // namespace

std::string accept_of(std::string_view key) {
    const std::string text = std::string(key).append(handshake_guid);
    std::array<unsigned char, SHA_DIGEST_LENGTH> digest{};
    SHA1(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data());
    std::array<unsigned char, 4 * ((SHA_DIGEST_LENGTH + 2) / 3) + 1> base64{};
    const int size = EVP_EncodeBlock(base64.data(), digest.data(), static_cast<int>(digest.size()));
    return {reinterpret_cast<const char*>(base64.data()), static_cast<std::size_t>(size)};
}

// 16 bytes are 22 characters and two of padding; the last character has 4 bits that mean nothing.
bool is_key(std::string_view key) {
    const auto in_alphabet = [](char c) {
        return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '/';
    };
    return key.size() == 24 && key.ends_with("==") && std::all_of(key.begin(), key.begin() + 22, in_alphabet);
}

void append_frame(std::string& to, opcode which, std::string_view payload) {
    const std::uint64_t size = payload.size();
    to += static_cast<char>(0x80 | static_cast<unsigned>(which));
    if (size < length_in_2_bytes) {
        to += static_cast<char>(size);
    } else if (size <= 0xFFFF) {
        to += static_cast<char>(length_in_2_bytes);
        for (int i = 1; i >= 0; --i) to += static_cast<char>(byte(size, i));
    } else {
        to += static_cast<char>(length_in_8_bytes);
        for (int i = 7; i >= 0; --i) to += static_cast<char>(byte(size, i));
    }
    to += payload;
}

std::string close_frame(close_code why) {
    std::string payload, frame;
    if (why != close_code::none) {
        payload += static_cast<char>(byte(static_cast<std::uint64_t>(why), 1));
        payload += static_cast<char>(byte(static_cast<std::uint64_t>(why), 0));
    }
    append_frame(frame, opcode::close, payload);
    return frame;
}

reader::found reader::fail(close_code why) {
    code_ = why;
    return found::failure;
}

reader::found reader::next(std::string_view& bytes) {
    for (;;) {
        if (!in_payload_) {
            code_ = close_code::none;
            if (!take_header(bytes)) return code_ == close_code::none ? found::nothing : found::failure;
        }
        take_payload(bytes);
        if (left_ > 0) return found::nothing;
        in_payload_ = false;
        header_size_ = 0;
        if (is_final() || is_control()) return finished();
    }
}

// True = the header is there whole. Each part is judged as soon as it is there.
bool reader::take_header(std::string_view& bytes) {
    const auto arrived = [&](std::size_t wanted) {
        while (header_size_ < wanted && !bytes.empty()) {
            header_[header_size_++] = static_cast<std::uint8_t>(bytes.front());
            bytes.remove_prefix(1);
        }
        return header_size_ >= wanted;
    };
    if (!arrived(2)) return false;
    if (code_ = complaint_about_start(); code_ != close_code::none) return false;
    const unsigned short_length = header_[1] & 0x7F;
    const std::size_t more = short_length == length_in_8_bytes ? 8 : short_length == length_in_2_bytes ? 2 : 0;
    if (!arrived(2 + more)) return false;
    std::uint64_t length = more == 0 ? short_length : 0;
    for (std::size_t i = 0; i < more; ++i) length = length << 8 | header_[2 + i];
    if (code_ = complaint_about_length(length); code_ != close_code::none) return false;
    if (!arrived(2 + more + mask_.size())) return false;
    for (std::size_t i = 0; i < mask_.size(); ++i) mask_[i] = header_[2 + more + i];
    in_payload_ = true;
    left_ = length;
    masked_ = 0;
    if (is_control()) control_.clear();
    return true;
}

close_code reader::complaint_about_start() const {
    const bool reserved_bits = (header_[0] & 0x70) != 0;
    const bool reserved_opcode = (header_[0] & 0x07) > 2;
    const bool masked = (header_[1] & 0x80) != 0;
    if (reserved_bits || reserved_opcode || !masked) return close_code::protocol_error;
    if (is_control()) {
        const bool whole = is_final() && (header_[1] & 0x7F) <= longest_control;
        return whole ? close_code::none : close_code::protocol_error;
    }
    if (in_message_ != (kind() == opcode::continuation)) return close_code::protocol_error;
    return kind() == opcode::binary ? close_code::unsupported_data : close_code::none;
}

// A length stands in the fewest bytes that it needs.
close_code reader::complaint_about_length(std::uint64_t length) const {
    const unsigned short_length = header_[1] & 0x7F;
    const bool padded = (short_length == length_in_2_bytes && length < length_in_2_bytes) ||
                        (short_length == length_in_8_bytes && length <= 0xFFFF);
    if (padded || length >> 63 != 0) return close_code::protocol_error;
    const bool fits = is_control() || length <= longest_message_ - message_.size();
    return fits ? close_code::none : close_code::too_big;
}

void reader::take_payload(std::string_view& bytes) {
    const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(left_, bytes.size()));
    std::string& to = is_control() ? control_ : message_;
    for (std::size_t i = 0; i < size; ++i)
        to += static_cast<char>(static_cast<std::uint8_t>(bytes[i]) ^ mask_[masked_++ % mask_.size()]);
    bytes.remove_prefix(size);
    left_ -= size;
    if (!is_control()) in_message_ = true;
}

reader::found reader::finished() {
    switch (kind()) {
        case opcode::ping:
            return found::ping;
        case opcode::pong:
            return found::pong;
        case opcode::close:
            return finished_close();
        case opcode::continuation:
        case opcode::text:
        case opcode::binary:
            break;
    }
    const bool text = is_utf8(message_);
    in_message_ = false;
    std::string().swap(message_);
    return text ? found::message : fail(close_code::not_utf8);
}

reader::found reader::finished_close() {
    code_ = close_code::none;
    if (control_.empty()) return found::close;
    if (control_.size() == 1) return fail(close_code::protocol_error);
    const unsigned code =
        static_cast<unsigned>(static_cast<std::uint8_t>(control_[0])) << 8 | static_cast<std::uint8_t>(control_[1]);
    if (!may_be_sent(code)) return fail(close_code::protocol_error);
    if (!is_utf8(std::string_view(control_).substr(2))) return fail(close_code::not_utf8);
    code_ = static_cast<close_code>(code);
    return found::close;
}

}  // namespace admin::websocket
