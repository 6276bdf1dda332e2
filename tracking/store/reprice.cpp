#include "tracking/store/reprice.hpp"

#include <algorithm>
#include <charconv>
#include <exception>
#include <memory>
#include <optional>
#include <ostream>
#include <vector>

#include "tracking/clock.hpp"
#include "tracking/pricing.hpp"
#include "tracking/store/calendar.hpp"
#include "tracking/store/command_redis.hpp"
#include "tracking/store/corrections.hpp"
#include "tracking/store/keys.hpp"
#include "tracking/store/periods.hpp"
#include "tracking/store/reply_numbers.hpp"
#include "tracking/store/reprice_sums.hpp"
#include "tracking/store/stream_entry.hpp"

namespace tracking::store {

namespace {

using std::chrono::sys_days;

constexpr int days_most = 800;  // as long as the counters of a day are kept
// Entries are numbered by the clock of Redis, which may be behind the one that made the records.
constexpr std::int64_t clocks_differ_ms = 86'400'000;

std::optional<std::chrono::year_month_day> date_of(const std::string& text) {
    if (text.size() != 10 || text[4] != '-' || text[7] != '-') return std::nullopt;
    int year = 0;
    unsigned month = 0, day = 0;
    const auto number = [&text](std::size_t from, std::size_t size, auto& into) {
        const char* end = text.data() + from + size;
        const auto [stopped, error] = std::from_chars(text.data() + from, end, into);
        return error == std::errc{} && stopped == end;
    };
    if (!number(0, 4, year) || !number(5, 2, month) || !number(8, 2, day) || year < 1970) return std::nullopt;
    const std::chrono::year_month_day date{std::chrono::year(year), std::chrono::month(month), std::chrono::day(day)};
    return date.ok() ? std::optional(date) : std::nullopt;
}

std::optional<std::int64_t> count_in(const reply& entry, std::string_view field) {
    const std::string_view text = field_of_entry(entry, field);
    return text.empty() ? std::nullopt : integer_in(std::string(text));
}

// What a record says of its use, as the price was made of.
billed_usage usage_of(const reply& entry) {
    const auto tokens = [&entry](std::string_view field) { return count_in(entry, field).value_or(0); };
    billed_usage usage{.tokens = {.input = tokens("inputTokens"),
                                  .cached = tokens("cachedTokens"),
                                  .cache_write = tokens("cacheWriteTokens"),
                                  .cache_write_1h = tokens("cacheWrite1hTokens"),
                                  .output = tokens("outputTokens"),
                                  .reasoning = tokens("reasoningTokens"),
                                  .audio_input = tokens("audioInputTokens"),
                                  .audio_output = tokens("audioOutputTokens"),
                                  .image_input = tokens("imageInputTokens"),
                                  .image_output = tokens("imageOutputTokens")},
                       .units = {.audio_ms = std::nullopt,
                                 .images = count_in(entry, "images"),
                                 .pages = count_in(entry, "pages"),
                                 .search_units = count_in(entry, "searchUnits"),
                                 .web_searches = count_in(entry, "webSearches"),
                                 .characters = count_in(entry, "characters")},
                       .service_tier = field_of_entry(entry, "serviceTier")};
    const std::string_view seconds = field_of_entry(entry, "audioSeconds");
    if (!seconds.empty()) usage.units.audio_ms = nano_of(seconds) / 1'000'000;
    return usage;
}

bool tells_usage(const reply& entry, const billed_usage& usage) {
    return usage.units.any() || !field_of_entry(entry, "inputTokens").empty() ||
           !field_of_entry(entry, "outputTokens").empty();
}

// The records of one Redis, or of one shard of a cluster.
class repricing {
public:
    explicit repricing(const conf::settings& settings)
        : settings_(settings), keys_(settings.redis.prefix), redis_(settings), found_(redis_, keys_) {}
    void read(const day_range& days, bool apply);
    const std::vector<repriced_day>& days() const { return days_; }
    std::string_view catalogue() const { return prices_->as_of(); }
    const calendar& when() const { return *when_; }
    // The corrections of a day; says why they were not applied, when they were not.
    void apply_day(std::size_t index, std::ostream& out);

private:
    void load_prices();
    void name_days(const day_range& days);
    void count_days();
    void read_stream();
    void read_entry(const reply& entry);
    std::optional<price_quote> price_now(const reply& entry) const;

    const conf::settings& settings_;
    const key_names keys_;
    command_redis redis_;
    corrections found_;
    bool apply_ = false;
    std::optional<calendar> when_;
    std::shared_ptr<const price_catalogue> prices_;
    std::vector<repriced_day> days_;
    std::vector<std::int64_t> begins_;  // of each day, and the end of the last
};

void repricing::load_prices() {
    auto loaded = price_catalogue::load(settings_.pricing);
    if (const auto* wrong = std::get_if<std::string>(&loaded)) throw command_problem{*wrong};
    prices_ = std::get<std::shared_ptr<const price_catalogue>>(std::move(loaded));
}

void repricing::name_days(const day_range& days) {
    auto zone = calendar::open(settings_.timezone);
    if (const auto* wrong = std::get_if<std::string>(&zone)) throw command_problem{*wrong};
    when_.emplace(std::get<calendar>(std::move(zone)));
    const auto midnight = [this](sys_days at) {
        const std::chrono::year_month_day date(at);
        return when_->instant(static_cast<int>(date.year()), static_cast<int>(static_cast<unsigned>(date.month())),
                              static_cast<int>(static_cast<unsigned>(date.day())));
    };
    for (sys_days at = days.from; at <= sys_days(days.to); at += std::chrono::days(1)) {
        begins_.push_back(midnight(at));
        days_.emplace_back().name = when_->day_key(begins_.back());
    }
    begins_.push_back(midnight(sys_days(days.to) + std::chrono::days(1)));
}

// Before the stream is read: what is shipped meanwhile may then be found beyond the count, but never be missed in it.
void repricing::count_days() {
    std::vector<command> questions;
    for (const auto& day : days_) questions.push_back({"HGET", keys_.usage("day:" + day.name), "requests"});
    const auto answers = redis_.ask(questions);
    for (std::size_t i = 0; i < days_.size(); ++i) days_[i].counted = number_in(answers[i].text);
}

void repricing::read_stream() {
    const auto newest = redis_.ask({{"XREVRANGE", keys_.usage_stream(), "+", "-", "COUNT", "1"}}).front();
    if (newest.elements.empty()) return;
    const std::string last(id_of_entry(newest.elements.front()));
    std::string from = std::to_string(std::max<std::int64_t>(0, begins_.front() - clocks_differ_ms));
    while (true) {
        const auto page = redis_.ask({{"XRANGE", keys_.usage_stream(), from, last, "COUNT", "1000"}}).front();
        if (page.elements.empty()) return;
        for (const auto& entry : page.elements) read_entry(entry);
        if (apply_) found_.send();
        from = "(" + std::string(id_of_entry(page.elements.back()));
    }
}

void repricing::read_entry(const reply& entry) {
    const auto ts = count_in(entry, "ts");
    if (!ts || *ts < begins_.front() || *ts >= begins_.back()) return;
    const auto after = std::upper_bound(begins_.begin(), begins_.end(), *ts);
    repriced_day& day = days_[static_cast<std::size_t>(after - begins_.begin()) - 1];
    ++day.read;
    const std::string_view source = field_of_entry(entry, "costSource");
    if (source != "catalogue" && source != "unknown") return;

    const auto quote = price_now(entry);
    const std::string_view cost = field_of_entry(entry, "cost");
    repriced one;
    if (!cost.empty()) one.before = nano_of(cost);
    if (quote) one.now = quote->nano;
    day.all.add(one);
    const std::string_view model = field_of_entry(entry, "aiModel");
    day.models[std::string(model.empty() ? "unknown" : model)].add(one);
    if (!apply_ || !one.changed()) return;
    found_.stage(day.name, {.entry = std::string(id_of_entry(entry)),
                            .id = std::string(field_of_entry(entry, "id")),
                            .model = std::string(model),
                            .old_price_id = std::string(field_of_entry(entry, "priceId")),
                            .price_id = std::string(quote ? quote->price_id : ""),
                            .cost = one});
}

// As the request itself would be priced: by the model that answered, else by the one that was asked for.
std::optional<price_quote> repricing::price_now(const reply& entry) const {
    const billed_usage usage = usage_of(entry);
    // Nothing of nothing is no price: what was unknown stays so.
    if (field_of_entry(entry, "cost").empty() && !tells_usage(entry, usage)) return std::nullopt;
    const std::string_view provider = field_of_entry(entry, "provider");
    auto quote =
        prices_->price_again(field_of_entry(entry, "priceId"), provider, field_of_entry(entry, "aiModel"), usage);
    const std::string_view asked_for = field_of_entry(entry, "requestedModel");
    if (!quote && !asked_for.empty()) quote = prices_->price_again({}, provider, asked_for, usage);
    return quote;
}

void repricing::apply_day(std::size_t index, std::ostream& out) {
    const repriced_day& day = days_[index];
    minute_cache periods(*when_);
    const std::int64_t expires = periods.at(begins_[index]).day_expires;
    if (expires <= system_time().wall_ms() / 1000) {
        out << "  NOT APPLIED: what is kept of this day has expired\n";
        return;
    }
    const std::int64_t kept = found_.apply(day, prices_->as_of(), expires);
    if (kept > 0)
        out << "  NOT APPLIED: the corrections that are there were made from " << kept
            << " records of this day, of which " << day.read << " are left; they stay\n";
}

void repricing::read(const day_range& days, bool apply) {
    apply_ = apply;
    load_prices();
    name_days(days);
    redis_.connect();
    redis_.check_timezone(keys_.meta());
    count_days();
    read_stream();
}

void add(repriced_day& sum, const repriced_day& part) {
    sum.name = part.name;
    sum.counted += part.counted;
    sum.read += part.read;
    sum.all.add(part.all);
    for (const auto& [model, sums] : part.models) sum.models[model].add(sums);
}

// Of all shards together; their corrections are kept with their records.
void run(const conf::settings& settings, const day_range& days, bool apply, std::ostream& out) {
    const auto settings_of = parts_of_command(settings);
    std::vector<std::unique_ptr<repricing>> parts;
    for (const auto& part : settings_of) {
        parts.push_back(std::make_unique<repricing>(part));
        parts.back()->read(days, apply);
    }
    const repricing& any = *parts.front();
    out << "prices of the catalogue of " << any.catalogue() << " and pricing.overrides; days in " << any.when().zone()
        << '\n';
    print_header(out);
    reprice_sums total;
    std::int64_t incomplete = 0;
    for (std::size_t i = 0; i < any.days().size(); ++i) {
        repriced_day day;
        for (const auto& part : parts) add(day, part->days()[i]);
        if (day.read == 0 && day.counted == 0) continue;
        print(out, day);
        total.add(day.all);
        incomplete += day.missing() > 0;
        for (const auto& part : parts) {
            if (apply && part->days()[i].read > 0) part->apply_day(i, out);
        }
    }
    print_total(out, total);
    if (incomplete > 0) out << "days that are INCOMPLETE: " << incomplete << '\n';
    const std::string kept = key_names(parts.size() > 1 ? settings.redis.prefix + ":{SHARD}" : settings.redis.prefix)
                                 .corrections("YYYY-MM-DD");
    out << (apply ? "applied: see " + kept : std::string("nothing was written; --apply records the corrections"))
        << std::endl;
}

}  // namespace

std::variant<day_range, std::string> read_days(const std::string& from, const std::string& to) {
    const auto first = date_of(from), last = date_of(to);
    if (!first) return "--from: '" + from + "' is not a date, such as 2026-11-01";
    if (!last) return "--to: '" + to + "' is not a date, such as 2026-11-30";
    const auto days = (sys_days(*last) - sys_days(*first)).count();
    if (days < 0) return std::string("--from is after --to");
    if (days >= days_most) return "at most " + std::to_string(days_most) + " days at once";
    return day_range{*first, *last};
}

bool reprice(const conf::settings& settings, const day_range& days, bool apply, std::ostream& out, std::string& error) {
    return run_command(
        [&] {
            run(settings, days, apply, out);
            return true;
        },
        error);
}

}  // namespace tracking::store
