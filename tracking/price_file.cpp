// Reads conf/model-prices.json into a price_table, event by event: the file is half a megabyte, and of its tree
// nothing but the prices of what a request can tell is kept.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "tracking/price_table.hpp"

namespace tracking {
namespace {

// A model's prices by unit as the file has them; -1 = absent.
struct listed_units {
    std::int64_t second_in = -1, second_out = -1, audio_second_in = -1;
    std::int64_t image_in = -1, image_out = -1;
    std::int64_t page = -1, query = -1, character = -1, request = -1;
    std::int64_t search_low = -1, search_medium = -1, search_high = -1;

    std::int64_t* unit(std::string_view name) {
        if (name == "second_in") return &second_in;
        if (name == "second_out") return &second_out;
        if (name == "audio_second_in") return &audio_second_in;
        if (name == "image_in") return &image_in;
        if (name == "image_out") return &image_out;
        if (name == "page") return &page;
        if (name == "query") return &query;
        if (name == "char_in") return &character;
        if (name == "request") return &request;
        return nullptr;  // pixels, video, sessions: nothing that a request tells
    }
    std::int64_t* search(std::string_view context) {
        if (context == "low") return &search_low;
        if (context == "medium") return &search_medium;
        return context == "high" ? &search_high : nullptr;
    }
};

// What the file's names mean depends on what the model does: the seconds of a chat model are those for which it was
// hired, those of a video model are video.
unit_card units_of(const listed_units& listed, std::string_view mode, bool has_token_price) {
    unit_card units;
    const auto set = [&](unit_rate which, std::initializer_list<std::int64_t> choices) {
        for (const std::int64_t pico : choices)
            if (pico >= 0 && !units.has(which)) units.set(which, pico);
    };
    set(unit_rate::audio_second, {listed.audio_second_in});
    // A transcription has one price, under either name; under both, the other is 0 or the same.
    if (mode == "audio_transcription") set(unit_rate::audio_second, {std::max(listed.second_in, listed.second_out)});
    if (mode == "audio_speech") set(unit_rate::audio_second, {listed.second_out, listed.second_in});
    set(unit_rate::image, {listed.image_out});
    // Of models that only make images, the price per image stands under the input's name.
    if (!has_token_price && (mode == "image_generation" || mode == "image_edit"))
        set(unit_rate::image, {listed.image_in});
    // With a token price it is the same text measured in another way.
    if (!has_token_price) set(unit_rate::character, {listed.character});
    set(unit_rate::page, {listed.page});
    set(unit_rate::search_unit, {listed.query});
    set(unit_rate::request, {listed.request});
    set(unit_rate::web_search, {listed.search_medium, listed.search_low, listed.search_high});
    return units;
}

}  // namespace

class price_file_reader final : public nlohmann::json_sax<nlohmann::json> {
public:
    price_table table;
    std::string error;

    bool null() override { return true; }
    bool boolean(bool) override {
        note_retired();
        return true;
    }
    bool number_integer(number_integer_t value) override { return number(value); }
    bool number_unsigned(number_unsigned_t value) override {
        return number(value > static_cast<number_unsigned_t>(INT64_MAX) ? INT64_MAX : static_cast<std::int64_t>(value));
    }
    bool number_float(number_float_t, const string_t&) override { return number(-1); }
    bool binary(binary_t&) override { return true; }

    bool string(string_t& value) override {
        if (parts_.empty()) return fail("it is not an object");
        if (top() == part::model && key_ == "mode") mode_ = value;
        note_retired();
        if (top() != part::root) return true;
        if (key_ == "as_of") table.as_of_ = value;
        if (key_ == "schema" && value != "aimeter-prices/1") return fail("its schema is not aimeter-prices/1");
        if (key_ == "unit" && value != "pico-USD") return fail("its unit is not pico-USD");
        schema_ = schema_ || key_ == "schema";
        return true;
    }

    bool key(string_t& name) override {
        key_ = name;
        return true;
    }

    bool start_object(std::size_t) override {
        switch (parts_.empty() ? part::outside : top()) {
            case part::outside:
                return push(part::root);
            case part::root:
                return push(key_ == "models" ? part::models : part::other);
            case part::models:
                begin_model();
                return push(part::model);
            case part::model:
                return push_member_of_model();
            case part::tiers:
                table.tiers_.emplace_back();
                ++open_tiers().count;
                return push(part::tier);
            default:
                return push(part::other);
        }
    }

    bool end_object() override {
        if (top() == part::model) end_model();
        parts_.pop_back();
        return true;
    }

    bool start_array(std::size_t) override {
        if (parts_.empty()) return fail("it is not an object");
        const bool holds_tiers = key_ == "tiers" && (top() == part::model || top() == part::service);
        if (holds_tiers) {
            in_service_ = top() == part::service;
            open_tiers() = {static_cast<std::uint32_t>(table.tiers_.size()), 0};
        }
        return push(holds_tiers ? part::tiers : part::other);
    }

    bool end_array() override {
        parts_.pop_back();
        return true;
    }

    bool parse_error(std::size_t position, const std::string&, const nlohmann::json::exception&) override {
        return fail("it is not JSON: byte " + std::to_string(position));
    }

    // After the last event.
    bool finish() {
        if (error.empty() && (!schema_ || table.entries_.empty())) fail("it holds no price");
        table.tiers_.shrink_to_fit();
        table.services_.shrink_to_fit();
        table.units_.shrink_to_fit();
        table.index({}, table.as_of_.empty() ? std::string{} : "@" + table.as_of_);
        return error.empty();
    }

private:
    enum class part : std::uint8_t { outside, root, models, model, service, units, search, tiers, tier, other };

    std::vector<part> parts_;
    std::string key_;
    bool schema_ = false;
    bool in_service_ = false;  // the open tiers belong to a service
    // Of the model that is being read:
    std::string mode_;
    listed_units units_;
    bool has_unit_price_ = false;

    part top() const { return parts_.back(); }

    bool push(part what) {
        parts_.push_back(what);
        return true;
    }

    bool fail(std::string what) {
        if (error.empty()) error = std::move(what);
        return false;
    }

    // "retired": the date when it was last seen, or true.
    void note_retired() {
        if (!parts_.empty() && top() == part::model && key_ == "retired") table.entries_.back().retired = true;
    }

    index_range& open_tiers() { return in_service_ ? table.services_.back().tiers : table.entries_.back().tiers; }

    void begin_model() {
        table.add(key_);
        table.entries_.back().services.first = static_cast<std::uint32_t>(table.services_.size());
        mode_.clear();
        units_ = {};
        has_unit_price_ = false;
    }

    bool push_member_of_model() {
        if (key_ == "unit") return push(part::units);
        if (key_ == "search") return push(part::search);
        const service_tier which = service_tier_of(key_);
        if (which == service_tier::standard) return push(part::other);
        table.services_.push_back({which, {}, {}});
        ++table.entries_.back().services.count;
        return push(part::service);
    }

    void end_model() {
        price_entry& entry = table.entries_.back();
        // An image model's output tokens are the image.
        if (!entry.rates.has(rate::out) && entry.rates.has(rate::image_tok_out))
            entry.rates.set(rate::out, entry.rates.pico(rate::image_tok_out));
        // A reasoning price is one of its own only where it differs: otherwise reasoning goes on costing what output
        // costs when a service or a tier changes that.
        if (entry.rates.pico(rate::reasoning) == entry.rates.pico(rate::out)) entry.rates.remove(rate::reasoning);
        const bool has_token_price = !entry.rates.all_zero();
        table.settle(entry, units_of(units_, mode_, has_token_price), has_unit_price_);
    }

    bool number(std::int64_t value) {
        if (parts_.empty()) return fail("it is not an object");
        if (top() == part::tier && key_ == "above") {
            table.tiers_.back().above = value;
            return true;
        }
        rate_card* rates = nullptr;
        if (top() == part::model) rates = &table.entries_.back().rates;
        if (top() == part::service) rates = &table.services_.back().rates;
        if (top() == part::tier) rates = &table.tiers_.back().rates;
        if (const auto which = rates ? rate_of(key_) : std::nullopt) {
            if (!in_range(value)) return false;
            rates->set(*which, value);
        }
        return top() == part::units || top() == part::search ? unit_price(value) : true;
    }

    bool unit_price(std::int64_t value) {
        if (top() == part::units) has_unit_price_ = has_unit_price_ || value > 0;
        std::int64_t* price = top() == part::units ? units_.unit(key_) : units_.search(key_);
        if (!price) return true;
        if (!in_range(value)) return false;
        *price = value;
        return true;
    }

    bool in_range(std::int64_t value) {
        if (value >= 0 && value <= most_pico) return true;
        return fail("a price of " + std::string(table.id_of(table.entries_.back())) + " is out of range: " + key_);
    }
};

std::variant<price_table, std::string> price_table::parse(std::string_view json) {
    price_file_reader reader;
    const bool read = nlohmann::json::sax_parse(json, &reader);
    if (!read && reader.error.empty()) return std::string("it could not be read");
    if (!reader.finish()) return std::move(reader.error);
    return std::move(reader.table);
}

}  // namespace tracking
