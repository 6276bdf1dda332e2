// The protocol between journals and Redis, as a world of its own that is explored at random: what is real and what is a
// model of it.
//
//   real     journals (segments, recovery, retention) on files; lane (what was read, what is applied); batch (the very
//            command that goes to Redis)
//   modelled Redis with apply.lua: `redis_model::apply` reads the command that batch packed. Compare-and-set on the
//   data set
//            and on the position of each journal, then entries, sums and positions in one step, as the script does
//   modelled the shipper's turns, since shipper.cpp is bound to sockets and clocks; each step names what it stands for
//   modelled the wire: a command is delivered once, late, after its connection has gone (a zombie), or never; an answer
//            arrives or is lost
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/journal_kit.hpp"
#include "tracking/store/batch.hpp"
#include "tracking/store/lane.hpp"

namespace protocol {

using tracking::store::command;

// What packs a batch's argument, read back; only the forms that message_pack writes.
struct packed {
    std::string text;
    std::int64_t number = 0;
    std::vector<packed> elements;

    static packed read(std::string_view& from) {
        const auto take = [&from](std::size_t bytes) {
            const std::string_view taken = from.substr(0, bytes);
            from.remove_prefix(bytes);
            return taken;
        };
        const auto big_endian = [&take](std::size_t bytes) {
            std::uint64_t value = 0;
            for (const char c : take(bytes)) value = value << 8 | static_cast<unsigned char>(c);
            return value;
        };
        const auto code = static_cast<unsigned char>(take(1)[0]);
        packed value;
        if (code < 0x80) {
            value.number = code;
        } else if (code == 0xCD) {
            value.number = static_cast<std::int64_t>(big_endian(2));
        } else if (code == 0xD3) {
            value.number = static_cast<std::int64_t>(big_endian(8));
        } else if (code >= 0xA0 && code < 0xC0) {
            value.text = take(code & 31U);
        } else if (code == 0xD9) {
            value.text = take(big_endian(1));
        } else if (code == 0xDB) {
            value.text = take(big_endian(4));
        } else if (code == 0xDD) {
            value.elements.resize(big_endian(4));
            for (auto& element : value.elements) element = read(from);
        } else {
            throw std::runtime_error("a form that batches do not have");
        }
        return value;
    }
    std::int64_t integer() const { return text.empty() ? number : std::stoll(text); }
};

// What a mutation of the protocol leaves out: each must be found out.
enum class mutation { none, no_compare_and_set, position_apart, segments_go_at_once, segments_go_while_redis_is_away };

struct redis_state {
    std::string dataset;
    std::map<std::string, std::uint64_t> positions;  // aimeter:journals
    std::vector<std::string> entries;                // requestId, of both streams
    std::int64_t requests = 0, cost = 0, entries_cost = 0;
};

struct redis_answer {
    std::string what, journal;  // "ok", "position", "dataset"
    std::uint64_t position = 0;
};

class redis_model {
public:
    explicit redis_model(mutation without) : without_(without) {}

    redis_answer apply(const command& words) {
        const std::size_t keys = std::stoul(words.at(2));
        std::string_view argument = words.at(3 + keys);
        const packed root = packed::read(argument);
        const auto& shares = root.elements.at(0).elements;
        if (root.elements.at(1).text != now.dataset) return {"dataset", now.dataset, 0};
        for (std::size_t i = 0; i < shares.size() && without_ != mutation::no_compare_and_set; i += 3) {
            const std::uint64_t held = now.positions[shares[i].text];
            if (std::to_string(held) != shares[i + 1].text) return {"position", shares[i].text, held};
        }
        add_entries(root.elements.at(6).elements, root.elements.at(7).elements);
        add_totals(words, root.elements.at(5).elements, root.elements.at(9).elements);
        // A server that dies between two writes of what is no script.
        if (without_ == mutation::position_apart && ++applied_ % 7 == 0) return {"ok", {}, 0};
        for (std::size_t i = 0; i < shares.size(); i += 3)
            now.positions[shares[i].text] = std::stoull(shares[i + 2].text);
        return {"ok", {}, 0};
    }

    redis_state now;

private:
    static std::size_t place_of(const std::vector<packed>& names, std::string_view name) {
        for (std::size_t i = 0; i < names.size(); ++i) {
            if (names[i].text == name) return i;
        }
        return names.size();
    }
    void add_entries(const std::vector<packed>& shapes, const std::vector<packed>& entries) {
        for (std::size_t i = 0; i + 1 < entries.size(); i += 2) {
            const auto& names = shapes.at(static_cast<std::size_t>(entries[i].number - 1)).elements.at(0).elements;
            std::string_view rest = entries[i + 1].text;
            std::vector<std::string> values;
            while (!rest.empty()) values.push_back(packed::read(rest).text);
            now.entries.push_back(values.at(place_of(names, "requestId")));
            const auto cost = place_of(names, "cost");
            if (cost < values.size()) now.entries_cost += tracking_nano(values[cost]);
        }
    }
    // A hash: key, expiry, set, label, list of fields, number of fields, then field and increment.
    void add_totals(const command& words, const std::vector<packed>& lists, const std::vector<packed>& hashes) {
        for (std::size_t at = 0; at < hashes.size();) {
            const auto fields = static_cast<std::size_t>(hashes[at + 5].number);
            if (words.at(2 + static_cast<std::size_t>(hashes[at].number)) == "aimeter:usage:total") {
                const auto& names = lists.at(static_cast<std::size_t>(hashes[at + 4].number - 1)).elements;
                for (std::size_t i = 0; i < fields; ++i) {
                    const auto& name = names.at(static_cast<std::size_t>(hashes[at + 6 + 2 * i].number - 1)).text;
                    if (name == "requests") now.requests += hashes[at + 7 + 2 * i].integer();
                    if (name == "costNanoUsd") now.cost += hashes[at + 7 + 2 * i].integer();
                }
            }
            at += 6 + 2 * fields;
        }
    }
    static std::int64_t tracking_nano(const std::string& usd) {  // "0.000453": costs here are below 1 USD
        std::string digits =
            usd.substr(std::min(usd.size(), usd.find('.') == std::string::npos ? usd.size() : usd.find('.') + 1));
        digits.resize(9, '0');
        return std::stoll(digits);
    }

    mutation without_;
    int applied_ = 0;
};

}  // namespace protocol
