// Reads conf/model-prices.json into a price_table, event by event: the file is half a megabyte, and of its tree
// nothing but the token prices is kept.
#include <nlohmann/json.hpp>

#include "tracking/price_table.hpp"

namespace tracking {

class price_file_reader final : public nlohmann::json_sax<nlohmann::json> {
public:
    price_table table;
    std::string error;

    bool null() override { return true; }
    bool boolean(bool) override { return true; }
    bool number_integer(number_integer_t value) override { return number(value); }
    bool number_unsigned(number_unsigned_t value) override {
        return number(value > static_cast<number_unsigned_t>(INT64_MAX) ? INT64_MAX : static_cast<std::int64_t>(value));
    }
    bool number_float(number_float_t, const string_t&) override { return number(-1); }
    bool binary(binary_t&) override { return true; }

    bool string(string_t& value) override {
        if (parts_.empty()) return fail("it is not an object");
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
        table.index();
        return error.empty();
    }

private:
    enum class part : std::uint8_t { outside, root, models, model, service, units, tiers, tier, other };

    std::vector<part> parts_;
    std::string key_;
    bool schema_ = false;
    bool in_service_ = false;  // the open tiers belong to a service
    bool has_unit_price_ = false;
    std::int64_t image_out_ = -1;  // per output token that is part of an image

    part top() const { return parts_.back(); }

    bool push(part what) {
        parts_.push_back(what);
        return true;
    }

    bool fail(std::string what) {
        if (error.empty()) error = std::move(what);
        return false;
    }

    index_range& open_tiers() { return in_service_ ? table.services_.back().tiers : table.entries_.back().tiers; }

    void begin_model() {
        table.add(key_);
        table.entries_.back().services.first = static_cast<std::uint32_t>(table.services_.size());
        has_unit_price_ = false;
        image_out_ = -1;
    }

    bool push_member_of_model() {
        if (key_ == "unit") return push(part::units);
        const service_tier which = service_tier_of(key_);
        if (which == service_tier::standard) return push(part::other);
        table.services_.push_back({which, {}, {}});
        ++table.entries_.back().services.count;
        return push(part::service);
    }

    void end_model() {
        price_entry& entry = table.entries_.back();
        // An image model's output tokens are the image.
        if (!entry.rates.has(rate::out) && image_out_ >= 0) entry.rates.set(rate::out, image_out_);
        // A reasoning price is one of its own only where it differs: otherwise reasoning goes on costing what output
        // costs when a service or a tier changes that.
        if (entry.rates.pico(rate::reasoning) == entry.rates.pico(rate::out)) entry.rates.remove(rate::reasoning);
        entry.by_token =
            (entry.rates.has(rate::in) || entry.rates.has(rate::out)) && !(has_unit_price_ && entry.rates.all_zero());
    }

    bool number(std::int64_t value) {
        if (parts_.empty()) return fail("it is not an object");
        if (top() == part::units) has_unit_price_ = has_unit_price_ || value > 0;
        if (top() == part::tier && key_ == "above") {
            table.tiers_.back().above = value;
            return true;
        }
        if (top() == part::model && key_ == "image_tok_out") image_out_ = value;
        rate_card* rates = nullptr;
        if (top() == part::model) rates = &table.entries_.back().rates;
        if (top() == part::service) rates = &table.services_.back().rates;
        if (top() == part::tier) rates = &table.tiers_.back().rates;
        const auto which = rates ? rate_of(key_) : std::nullopt;
        if (!which) return true;
        if (value < 0 || value > most_pico)
            return fail("a price of " + std::string(table.id_of(table.entries_.back())) + " is out of range: " + key_);
        rates->set(*which, value);
        return true;
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
