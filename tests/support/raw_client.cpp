#include "tests/support/raw_client.hpp"

#include <array>

namespace tests {

raw_client::raw_client(const std::string& host, std::uint16_t port, milliseconds within)
    : socket_(std::make_unique<descriptor>(connect_to(host, port, within))) {
    const auto* everywhere = tls_everywhere::get();
    if (everywhere != nullptr && socket_->valid()) {
        tls_ = std::make_unique<tls_link>(everywhere->client, *socket_);
        shaken_ = tls_->shake_hands(clock::now() + within);
    }
}

raw_client::raw_client(const std::string& host, std::uint16_t port, const tls_side& side, milliseconds within)
    : socket_(std::make_unique<descriptor>(connect_to(host, port, within))) {
    tls_ = std::make_unique<tls_link>(side, *socket_);
    shaken_ = socket_->valid() && tls_->shake_hands(clock::now() + within);
}

raw_client raw_client::plain(const std::string& host, std::uint16_t port) {
    raw_client made;
    made.socket_ = std::make_unique<descriptor>(connect_to(host, port));
    return made;
}

void raw_client::half_close() {
    if (tls_) tls_->say_end();
    finish_sending(*socket_);
}

std::size_t raw_client::write(std::string_view bytes, clock::time_point until) {
    if (!shaken_) return 0;
    return tls_ ? tls_->write_all(bytes, until) : write_all(*socket_, bytes, until);
}

bool raw_client::send(std::string_view bytes, milliseconds within) {
    return write(bytes, clock::now() + within) == bytes.size();
}

std::size_t raw_client::send_some(std::string_view bytes, milliseconds within) {
    std::size_t sent = 0;
    for (;;) {  // each piece may wait so long: the sum says nothing
        const auto now = write(bytes.substr(sent, 65536), clock::now() + within);
        sent += now;
        if (now < 65536) return sent;
    }
}

bool raw_client::fill(clock::time_point until) {
    if (ended_ != ending::none || !connected()) return false;
    std::array<char, 65536> piece;
    const auto got = tls_ ? tls_->read_some(piece.data(), piece.size(), until)
                          : read_some(*socket_, piece.data(), piece.size(), until);
    buffer_.append(piece.data(), got.bytes);
    ended_ = got.ended;
    return got.bytes > 0;
}

http_message raw_client::read(http_reader::kind of, milliseconds within) {
    const auto until = clock::now() + within;
    http_reader reader(of);
    for (;;) {
        const auto used = reader.feed(buffer_);
        buffer_.erase(0, used);
        if (reader.done() || reader.failed()) break;
        if (!fill(until)) {
            reader.end_of_input(ended_ == ending::fin);
            break;
        }
    }
    return std::move(reader.message());
}

http_message raw_client::read_head(milliseconds within) {
    const auto head = read_until("\r\n\r\n", within);
    return head ? parse_message(*head, http_reader::kind::response_to_head) : http_message{};
}

std::optional<std::string> raw_client::read_until(std::string_view text, milliseconds within) {
    const auto until = clock::now() + within;
    for (;;) {
        if (const auto at = buffer_.find(text); at != std::string::npos) {
            std::string out = buffer_.substr(0, at + text.size());
            buffer_.erase(0, out.size());
            return out;
        }
        if (!fill(until)) return std::nullopt;
    }
}

std::optional<std::string> raw_client::read_exactly(std::size_t size, milliseconds within) {
    const auto until = clock::now() + within;
    while (buffer_.size() < size)
        if (!fill(until)) return std::nullopt;
    std::string out = buffer_.substr(0, size);
    buffer_.erase(0, size);
    return out;
}

std::string raw_client::read_to_end(milliseconds within) {
    const auto until = clock::now() + within;
    while (fill(until)) {
    }
    return std::exchange(buffer_, {});
}

bool raw_client::ends(milliseconds within) {
    if (buffer_.empty()) fill(clock::now() + within);
    return buffer_.empty() && ended_ != ending::none;
}

bool raw_client::silent(milliseconds during) {
    if (buffer_.empty()) fill(clock::now() + during);
    return buffer_.empty() && ended_ == ending::none;
}

}  // namespace tests
