// The parts that read bytes: the JSON scanner against a DOM, the event stream against the standard.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "tests/unit/usage_support.hpp"
#include "tracking/usage/event_stream.hpp"
#include "tracking/usage/json_number.hpp"
#include "tracking/usage/json_scanner.hpp"
#include "tracking/usage/utf8.hpp"

namespace {

using namespace tracking::usage;
using json = nlohmann::ordered_json;
using strings = std::vector<std::string>;

// ---- JSON against a DOM -----------------------------------------------------------------------------------------

const strings wishes{"model", "a",      "b.c",        "list[].x", "list[].y.z",  "?.usage.n",
                     "*.m",   "deep.b", "deep.c.d[]", "x\"y",     "b.usage.n.o", "text"};
constexpr std::size_t text_wish = 11;

class recorder final : public json_sink {
public:
    explicit recorder(const key_tree& tree) : tree_(tree) {}

    void on_word(node_id at, std::string_view value) noexcept override { add(at, "s:" + std::string(value)); }
    void on_number(node_id at, std::string_view token) noexcept override { add(at, "n:" + std::string(token)); }
    void on_bool(node_id at, bool value) noexcept override { add(at, value ? "true" : "false"); }
    void on_text(node_id, std::size_t bytes) noexcept override { text += bytes; }
    void on_open(node_id, bool) noexcept override {}
    void on_close(node_id, bool) noexcept override {}

    strings told;
    std::size_t text = 0;

private:
    void add(node_id at, const std::string& value) {
        for (const std::uint16_t row : tree_.rows(at)) told.push_back(wishes[row] + "=" + value);
    }
    const key_tree& tree_;
};

const key_tree& test_tree() {
    static const key_tree tree = [] {
        key_tree made;
        for (std::size_t i = 0; i < wishes.size(); ++i) {
            const std::uint8_t what = i == text_wish ? interest::text : interest::word | interest::scalar;
            made.add(wishes[i], what, static_cast<std::uint16_t>(i));
        }
        made.seal();
        return made;
    }();
    return tree;
}

// What the paths mean, written as plainly as can be: `place` is a list of keys and "[]".
bool same_place(std::string_view path, const strings& place, std::size_t from) {
    strings steps;
    while (!path.empty()) {
        const std::size_t dot = path.find('.');
        std::string step(path.substr(0, dot));
        path = dot == std::string_view::npos ? std::string_view() : path.substr(dot + 1);
        const bool array = step.ends_with("[]");
        if (array) step.resize(step.size() - 2);
        steps.push_back(step);
        if (array) steps.emplace_back("[]");
    }
    if (steps.size() != place.size() - from) return false;
    for (std::size_t i = 0; i < steps.size(); ++i) {
        if (steps[i] == "*" ? place[from + i] == "[]" : steps[i] != place[from + i]) return false;
    }
    return true;
}

bool is_wanted(const std::string& wish, const strings& place) {
    std::size_t root = 0;
    while (root < place.size() && place[root] == "[]") ++root;  // an array at the top is a sequence of documents
    if (!wish.starts_with("?.")) return same_place(wish, place, root);
    const std::string_view rest = std::string_view(wish).substr(2);
    const bool below = place.size() > root + 1 && place[root] != "[]" && same_place(rest, place, root + 1);
    return same_place(rest, place, root) || below;
}

void expect_of(const json& value, strings& place, strings& told, std::size_t& text) {
    if (value.is_object()) {
        for (const auto& [key, member] : value.items()) {
            place.push_back(key);
            expect_of(member, place, told, text);
            place.pop_back();
        }
        return;
    }
    if (value.is_array()) {
        place.emplace_back("[]");
        for (const json& element : value) expect_of(element, place, told, text);
        place.pop_back();
        return;
    }
    for (std::size_t i = 0; i < wishes.size(); ++i) {
        if (value.is_null() || !is_wanted(wishes[i], place)) continue;
        if (i == text_wish) {
            if (value.is_string()) text += value.get<std::string>().size();
        } else if (value.is_string()) {
            told.push_back(wishes[i] + "=s:" + value.get<std::string>());
        } else {
            told.push_back(wishes[i] + "=" + (value.is_number() ? "n:" : "") + value.dump());
        }
    }
}

class generator {
public:
    explicit generator(unsigned seed) : random_(seed) {}

    json value(int depth) {
        const unsigned kind = pick(depth > 0 ? 9 : 6);
        if (kind == 0) return nullptr;
        if (kind == 1) return pick(2) == 0;
        if (kind == 2) return static_cast<std::int64_t>(random_()) - 1'000'000'000;
        if (kind == 3) return static_cast<double>(pick(1000)) / 64;
        if (kind <= 5) return text();
        json made = kind == 6 ? json::array() : json::object();
        for (unsigned i = pick(5); i > 0; --i) {
            if (kind == 6) {
                made.push_back(value(depth - 1));
            } else {
                made[key()] = value(depth - 1);
            }
        }
        return made;
    }

    // The same document with white space anywhere and characters escaped at will.
    std::string written(const json& value) {
        const std::string plain = value.dump(-1, ' ', pick(2) == 0);
        std::string spaced;
        bool inside = false;
        for (std::size_t i = 0; i < plain.size(); ++i) {
            if (plain[i] == '"' && (i == 0 || plain[i - 1] != '\\' || is_escaped_slash(plain, i))) inside = !inside;
            if (!inside && std::string_view("{}[],:").find(plain[i]) != std::string_view::npos) {
                spaced += blank() + plain[i] + blank();
            } else if (inside && std::isalpha(static_cast<unsigned char>(plain[i])) != 0 && plain[i - 1] != '\\' &&
                       pick(40) == 0 && !in_unicode_escape(plain, i)) {
                char coded[8];
                std::snprintf(coded, sizeof coded, "\\u%04x", static_cast<unsigned>(plain[i]));
                spaced += coded;
            } else {
                spaced += plain[i];
            }
        }
        return spaced;
    }

    std::vector<std::string_view> pieces(std::string_view body) {
        std::vector<std::string_view> made;
        while (!body.empty()) {
            const std::size_t size = std::min<std::size_t>(body.size(), 1 + pick(pick(2) == 0 ? 4 : 60));
            made.push_back(body.substr(0, size));
            body.remove_prefix(size);
        }
        return made;
    }

    unsigned pick(unsigned below) { return static_cast<unsigned>(random_() % below); }

private:
    static bool is_escaped_slash(const std::string& in, std::size_t quote) {
        std::size_t slashes = 0;
        while (slashes < quote && in[quote - 1 - slashes] == '\\') ++slashes;
        return slashes % 2 == 0;
    }
    static bool in_unicode_escape(const std::string& in, std::size_t at) {
        const std::size_t slash = in.rfind('\\', at);
        return slash != std::string::npos && at - slash <= 5;
    }
    std::string blank() {
        static constexpr std::string_view blanks = " \t\r\n";
        std::string made;
        for (unsigned i = pick(4) == 0 ? pick(20) : 0; i > 0; --i) made += blanks[pick(4)];
        return made;
    }
    std::string key() {
        static const strings keys{"model",
                                  "a",
                                  "b",
                                  "c",
                                  "d",
                                  "list",
                                  "x",
                                  "y",
                                  "z",
                                  "usage",
                                  "n",
                                  "m",
                                  "deep",
                                  "o",
                                  "x\"y",
                                  "text",
                                  "",
                                  "other",
                                  "a_key_that_is_longer_than_any_that_is_wanted"};
        return keys[pick(static_cast<unsigned>(keys.size()))];
    }
    std::string text() {
        static const strings parts{"plain", "\"", "\\", "\n", "é", "€", "😀", "{", "]", "\x01", "/", "word and word "};
        std::string made;
        for (unsigned i = pick(12); i > 0; --i) made += parts[pick(static_cast<unsigned>(parts.size()))];
        return made;
    }
    std::mt19937 random_;
};

TEST(JsonScanner, TellsWhatADomTells) {
    for (unsigned seed = 0; seed < 4000; ++seed) {
        generator random(seed);
        strings expected;
        std::size_t text = 0;
        std::string body;
        for (unsigned documents = 1 + random.pick(3); documents > 0; --documents) {
            json document = json::array({random.value(5), random.value(6)});
            if (random.pick(3) != 0)
                document = json::object({{"list", random.value(3)}, {"b", random.value(4)}, {"q", random.value(4)}});
            strings place;
            expect_of(document, place, expected, text);
            body += random.written(document) + "\n";
        }
        for (const auto& pieces :
             {std::vector<std::string_view>{body}, random.pieces(body), usage_test::byte_by_byte(body)}) {
            recorder found(test_tree());
            json_scanner scanner(test_tree(), found);
            for (const std::string_view piece : pieces) scanner.feed(std::string(piece));
            ASSERT_FALSE(scanner.broken()) << body;
            ASSERT_EQ(found.told, expected) << body;
            ASSERT_EQ(found.text, text) << body;
        }
    }
}

TEST(JsonScanner, StopsAtBrokenStructureUntilReset) {
    for (const char* broken :
         {"{\"a\":1]", "{\"a\" 1}", "{a:1}", "[1}", "{\"a\":tru3}", "{,}", "}", "{\"a\":1,}", "nul!"}) {
        recorder found(test_tree());
        json_scanner scanner(test_tree(), found);
        scanner.feed(broken);
        EXPECT_TRUE(scanner.broken()) << broken;
        found.told.clear();
        scanner.feed("{\"model\":\"x\"}");
        EXPECT_THAT(found.told, testing::IsEmpty()) << broken;
        scanner.reset();
        scanner.feed("{\"model\":\"x\"}");
        EXPECT_THAT(found.told, testing::ElementsAre("model=s:x")) << broken;
    }
}

TEST(JsonScanner, TellsNoValueThatIsNotComplete) {
    const std::string body = R"({"a":12,"model":"abc","b":{"c":true}})";
    for (std::size_t at = 0; at < body.size(); ++at) {
        recorder found(test_tree());
        json_scanner scanner(test_tree(), found);
        scanner.feed(body.substr(0, at));
        for (const std::string& value : found.told) {
            EXPECT_THAT(value, testing::AnyOf("a=n:12", "model=s:abc", "b.c=true")) << at;
        }
    }
}

TEST(JsonScanner, CutsLongTextsAtACharacter) {
    const std::string body = R"({"model":")" + std::string(string_reader::room - 1, 'a') + R"(éé"})";
    recorder found(test_tree());
    json_scanner scanner(test_tree(), found);
    scanner.feed(body);
    EXPECT_THAT(found.told, testing::ElementsAre("model=s:" + std::string(string_reader::room - 1, 'a')));
}

// ---- Numbers and texts ------------------------------------------------------------------------------------------

TEST(JsonNumber, CountsAreWholeAndExact) {
    EXPECT_EQ(parse_count("0"), 0);
    EXPECT_EQ(parse_count("9223372036854775807"), INT64_MAX);
    EXPECT_EQ(parse_count("9223372036854775807.000e0"), INT64_MAX);
    EXPECT_EQ(parse_count("922337203685477580700e-2"), INT64_MAX);
    EXPECT_EQ(parse_count("0e999999999999"), 0);
    EXPECT_EQ(parse_count("0.00001e5"), 1);
    for (const char* none : {"", "-", "-1", "01", "1.", ".5", "1e", "1e+", "+1", "1.5", "9223372036854775808", "1e19",
                             "1e999999999999", "1e-999999999999", "1x", "0x10", "--1", "1-1"}) {
        EXPECT_EQ(parse_count(none), std::nullopt) << none;
    }
}

TEST(JsonNumber, MoneyIsRoundedHalfUpToAPicoDollar) {
    EXPECT_EQ(parse_pico("0.00006"), 60'000'000);
    EXPECT_EQ(parse_pico("6e-05"), 60'000'000);
    EXPECT_EQ(parse_pico("1"), 1'000'000'000'000);
    EXPECT_EQ(parse_pico("0.0000000000005"), 1);
    EXPECT_EQ(parse_pico("0.00000000000049"), 0);
    EXPECT_EQ(parse_pico("5e-14"), 0);
    EXPECT_EQ(parse_pico("9223372.036854775807"), INT64_MAX);
    EXPECT_EQ(parse_pico("9223372.0368547758075"), std::nullopt);
    EXPECT_EQ(parse_pico("-0.1"), std::nullopt);
    EXPECT_EQ(parse_pico("1e400"), std::nullopt);
}

TEST(Utf8, KeepsWholeValidCharactersOnly) {
    std::string to;
    assign_valid_utf8(to, "aé€😀", 100);
    EXPECT_EQ(to, "aé€😀");
    assign_valid_utf8(to, "aé€😀", 9);
    EXPECT_EQ(to, "aé€");
    assign_valid_utf8(to, "\xC0\xAF|\xED\xA0\x80|\xF4\x90\x80\x80|\xE2\x82", 100);
    EXPECT_EQ(to, "\uFFFD\uFFFD|\uFFFD\uFFFD\uFFFD|\uFFFD\uFFFD\uFFFD\uFFFD|\uFFFD");
    EXPECT_EQ(without_cut_character("a\xE2\x82"), "a");
    EXPECT_EQ(without_cut_character("a€"), "a€");
}

// ---- Event streams ----------------------------------------------------------------------------------------------

struct event_list final : event_sink {
    void on_event_data(std::string_view piece) noexcept override { data += piece; }
    void on_event_end(std::string_view name) noexcept override {
        told.push_back(std::string(name) + "|" + data);
        data.clear();
    }
    strings told;
    std::string data;
};

strings events_in(const std::vector<std::string_view>& pieces) {
    event_list found;
    event_stream stream(found);
    stream.reset();
    for (const std::string_view piece : pieces) stream.feed(std::string(piece));
    stream.finish();
    return found.told;
}

TEST(EventStream, ReadsTheExamplesOfTheStandard) {
    using testing::ElementsAre;
    EXPECT_THAT(events_in({"data: YHOO\ndata: +2\ndata: 10\n\n"}), ElementsAre("|YHOO\n+2\n10"));
    EXPECT_THAT(events_in({": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event"}),
                ElementsAre("|first event", "|second event", "| third event"));
    EXPECT_THAT(events_in({"data\n\ndata\ndata\n\ndata:"}), ElementsAre("|", "|\n", "|"));
    EXPECT_THAT(events_in({"data:test\n\ndata: test\n\n"}), ElementsAre("|test", "|test"));
    EXPECT_THAT(
        events_in({"event: add\ndata: 73857293\n\nevent: remove\rdata: 2153\r\revent: add\r\ndata: 113411\r\n\r\n"}),
        ElementsAre("add|73857293", "remove|2153", "add|113411"));
    EXPECT_THAT(events_in({"\xEF\xBB\xBF"
                           "data: a\n\n"}),
                ElementsAre("|a"));
    EXPECT_THAT(events_in({"Data: a\ndataX: b\n data: c\nevent: x\nevent: y\ndata: d\n\n"}), ElementsAre("y|d"));
}

TEST(EventStream, ReadsUnframedJsonAndTheDataStreamOfTheAiSdk) {
    using testing::ElementsAre;
    EXPECT_THAT(events_in({"data: a\n\n{\n  \"error\": 1\n}\n\ndata: b\n\n"}),
                ElementsAre("|a", "|{\n  \"error\": 1\n}\n", "|b"));
    EXPECT_THAT(events_in({"0:\"Hi\"\n0:\" you\"\r\nd:{}\n"}), ElementsAre("0|\"Hi\"", "0|\" you\"", "d|{}"));
}

// The standard's algorithm over the whole text, as it is written there.
strings events_by_the_standard(std::string text) {
    if (text.starts_with("\xEF\xBB\xBF")) text.erase(0, 3);
    strings told;
    std::string data;
    std::string name;
    bool has_data = false;
    const auto dispatch = [&] {
        if (has_data || !name.empty()) told.push_back(name + "|" + data);
        data.clear();
        name.clear();
        has_data = false;
    };
    std::size_t at = 0;
    while (at < text.size()) {
        const std::size_t stop = std::min(text.find_first_of("\r\n", at), text.size());
        const std::string line = text.substr(at, stop - at);
        at = stop + 1;
        if (stop < text.size() && text[stop] == '\r' && at < text.size() && text[at] == '\n') ++at;
        if (line.empty()) {
            dispatch();
            continue;
        }
        const std::size_t colon = line.find(':');
        const std::string field = line.substr(0, colon);
        std::string value = colon == std::string::npos ? "" : line.substr(colon + 1);
        if (value.starts_with(' ')) value.erase(0, 1);
        if (field == "data") {
            data += (has_data ? "\n" : "") + value;
            has_data = true;
        } else if (field == "event") {
            name = value.substr(0, 32);  // longer names are cut
        }
    }
    dispatch();
    return told;
}

TEST(EventStream, AgreesWithTheStandardHoweverItIsCut) {
    static const strings parts{"data", "event", "id",   ":",  ": ",      " ",           "\n",
                               "\r",   "\r\n",  "\n\n", "xy", "data: x", "\xEF\xBB\xBF"};
    for (unsigned seed = 0; seed < 20000; ++seed) {
        generator random(seed);
        std::string text;
        for (unsigned i = 1 + random.pick(14); i > 0; --i)
            text += parts[random.pick(static_cast<unsigned>(parts.size()))];
        text += "\n";  // half a line is no line yet
        const strings expected = events_by_the_standard(text);
        ASSERT_EQ(events_in({text}), expected) << testing::PrintToString(text);
        ASSERT_EQ(events_in(random.pieces(text)), expected) << testing::PrintToString(text);
        ASSERT_EQ(events_in(usage_test::byte_by_byte(text)), expected) << testing::PrintToString(text);
    }
}

}  // namespace
