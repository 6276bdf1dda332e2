// Messages that are almost right, from a seed, so that a failure can be repeated.
#pragma once

#include <algorithm>
#include <random>
#include <string>
#include <vector>

namespace tests {

// A message with a few random changes: bytes that matter to HTTP put in, pieces taken out, doubled or moved.
inline std::string mutant(std::string text, std::mt19937& random) {
    static const std::vector<std::string> pieces{"\r",
                                                 "\n",
                                                 "\r\n",
                                                 "\r\n\r\n",
                                                 " ",
                                                 "\t",
                                                 ":",
                                                 ",",
                                                 ";",
                                                 std::string(1, '\0'),
                                                 "\x7f",
                                                 "0",
                                                 "chunked",
                                                 "Content-Length: 3\r\n",
                                                 "Transfer-Encoding: chunked\r\n",
                                                 "Host: b\r\n",
                                                 " HTTP/1.1",
                                                 "GET /x HTTP/1.1\r\nHost: a\r\n\r\n",
                                                 "\xff",
                                                 "\"",
                                                 "/",
                                                 "@"};
    const auto below = [&](std::size_t size) { return size == 0 ? 0 : random() % size; };
    for (std::size_t changes = 1 + below(3); changes > 0; --changes) {
        const std::size_t at = below(text.size());
        const std::size_t length = 1 + below(12);
        const std::string slice = text.substr(at, length);
        switch (below(4)) {
            case 0:
                text.insert(at, pieces[below(pieces.size())]);
                break;
            case 1:
                text.erase(at, length);
                break;
            case 2:
                text.insert(below(text.size()), slice);
                break;
            default:
                text.replace(at, std::min<std::size_t>(1, slice.size()), pieces[below(pieces.size())]);
        }
    }
    return text;
}

}  // namespace tests
