// Any bytes as a client's WebSocket frames: no crash, bounded memory, and what is found does not depend on how they are
// cut.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "admin-api/websocket.hpp"

namespace {

namespace websocket = admin::websocket;
constexpr std::size_t longest_message = 256;

// Everything that is found, as one text.
std::string read_all(std::string_view bytes, std::size_t piece) {
    using found = websocket::reader::found;
    websocket::reader from(longest_message);
    std::string all;
    while (!bytes.empty()) {
        std::string_view part = bytes.substr(0, piece);
        bytes.remove_prefix(part.size());
        for (;;) {
            const found is = from.next(part);
            if (is == found::nothing) break;
            all += std::to_string(static_cast<int>(is));
            if (is == found::ping || is == found::pong) {
                if (from.payload().size() > 125) std::abort();
                all += from.payload();
            }
            if (is == found::close || is == found::failure) return all + std::to_string(static_cast<int>(from.code()));
        }
        if (!part.empty()) std::abort();
    }
    return all;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 2) return 0;
    const std::size_t piece = 1 + data[0] % 32U;
    const std::string_view bytes(reinterpret_cast<const char*>(data + 1), size - 1);
    if (read_all(bytes, bytes.size()) != read_all(bytes, piece)) std::abort();
    return 0;
}
