// Writes the binary event stream of AWS, for tests: messages from headers and payload, chunks of Bedrock's InvokeModel.
#pragma once

#include <zlib.h>

#include <cstdint>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace usage_test {

inline std::string big_endian(std::uint32_t value, int bytes) {
    std::string made;
    for (int shift = (bytes - 1) * 8; shift >= 0; shift -= 8) made += static_cast<char>(value >> shift & 0xFFU);
    return made;
}

inline std::uint32_t checksum(std::string_view bytes) {
    return static_cast<std::uint32_t>(
        crc32(0, reinterpret_cast<const Bytef*>(bytes.data()), static_cast<uInt>(bytes.size())));
}

// One header; `value` is as it goes out, behind the type: of a string with its length before it.
inline std::string aws_header(std::string_view name, int type, std::string_view value) {
    return big_endian(static_cast<std::uint32_t>(name.size()), 1) + std::string(name) + static_cast<char>(type) +
           std::string(value);
}
inline std::string aws_text(std::string_view name, std::string_view value) {
    return aws_header(name, 7, big_endian(static_cast<std::uint32_t>(value.size()), 2) + std::string(value));
}

inline std::string aws_message(std::string_view headers, std::string_view payload) {
    std::string made = big_endian(static_cast<std::uint32_t>(16 + headers.size() + payload.size()), 4) +
                       big_endian(static_cast<std::uint32_t>(headers.size()), 4);
    made += big_endian(checksum(made), 4);
    made += headers;
    made += payload;
    return made + big_endian(checksum(made), 4);
}

inline std::string aws_event(std::string_view name, std::string_view payload) {
    return aws_message(aws_text(":event-type", name) + aws_text(":content-type", "application/json") +
                           aws_text(":message-type", "event"),
                       payload);
}
inline std::string aws_exception(std::string_view name, std::string_view payload) {
    return aws_message(aws_text(":exception-type", name) + aws_text(":content-type", "application/json") +
                           aws_text(":message-type", "exception"),
                       payload);
}

inline std::string base64(std::string_view bytes) {
    static constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string made;
    for (std::size_t i = 0; i < bytes.size(); i += 3) {
        std::uint32_t three = 0;
        for (std::size_t k = i; k < i + 3; ++k) {
            three = three << 8U | (k < bytes.size() ? static_cast<unsigned char>(bytes[k]) : 0U);
        }
        for (std::size_t k = 0; k < 4; ++k) {
            made += k <= bytes.size() - i ? digits[three >> (18 - 6 * k) & 63U] : '=';
        }
    }
    return made;
}

inline std::string aws_chunk(std::string_view json) {
    return aws_event("chunk", R"({"bytes":")" + base64(json) + R"(","p":"abcdefghijkl"})");
}

// What a fixture's lines say, a message each: `event NAME JSON`, `exception NAME JSON` or `chunk JSON`.
inline std::vector<std::string> aws_messages(const std::string& lines) {
    std::vector<std::string> made;
    std::istringstream in(lines);
    for (std::string kind; in >> kind;) {
        std::string name;
        std::string payload;
        if (kind != "chunk") in >> name;
        std::getline(in >> std::ws, payload);
        made.push_back(kind == "chunk"       ? aws_chunk(payload)
                       : kind == "exception" ? aws_exception(name, payload)
                                             : aws_event(name, payload));
    }
    return made;
}

}  // namespace usage_test
