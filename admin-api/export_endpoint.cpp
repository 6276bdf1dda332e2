// GET /ai/export: every record of a range of days, oldest first, as CSV or NDJSON, in pages that are read when the
// client has taken the one before. Memory is one page, whatever the number of records.
//
// What a record's day is, its `ts` says. The id of its entry is the time at which it was stored, which is later, by
// days after an outage: so the stream is read from the range's begin to the end that it had when the export began.
#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>

#include "admin-api/csv.hpp"
#include "admin-api/endpoints.hpp"
#include "admin-api/gzip.hpp"
#include "admin-api/problem.hpp"
#include "admin-api/record_filter.hpp"
#include "admin-api/time_range.hpp"
#include "tracking/store/reply_numbers.hpp"
#include "tracking/store/stream_id.hpp"

namespace admin {

namespace {

namespace store = tracking::store;
using boost::asio::awaitable;

constexpr std::size_t page_size = 300;  // entries; less than a millisecond of Redis
constexpr std::chrono::milliseconds page_budget{15'000};
// How far Redis's clock may be behind ours, so that an entry's id is older than its record.
constexpr std::int64_t clocks_differ_ms = 60 * 60 * 1000;

enum class form : std::uint8_t { csv, ndjson };

struct selection {
    std::int64_t from_ms = 0, until_ms = 0;  // the range's first instant, and the first behind it
    std::vector<record_filter> filters;
    form as = form::csv;
};

bool is_wanted(const entry_fields& record, const selection& wanted) {
    const auto ts = std::find_if(record.begin(), record.end(), [](const auto& field) { return field.first == "ts"; });
    const auto ms = ts == record.end() ? std::nullopt : store::integer_in(ts->second);
    return ms && *ms >= wanted.from_ms && *ms < wanted.until_ms && passes(record, wanted.filters);
}

class export_source final : public body_source {
public:
    export_source(const store::reports& reports, selection wanted, bool packed, std::shared_ptr<void> place)
        : reports_(reports), wanted_(std::move(wanted)), place_(std::move(place)) {
        if (packed) gzip_ = std::make_unique<gzip>();
    }

    // Before the first next(): what Redis says when it cannot be read.
    awaitable<std::optional<store::redis_error>> begin() {
        auto newest = co_await reports_.within(page_budget).newest_usage_id();
        if (auto* error = std::get_if<store::redis_error>(&newest)) co_return std::move(*error);
        last_ = std::move(std::get<std::string>(newest));
        const auto from = static_cast<std::uint64_t>(std::max<std::int64_t>(0, wanted_.from_ms - clocks_differ_ms));
        const auto last = store::stream_id::parse(last_);
        if (!last || last->ms < from) last_.clear();  // nothing was stored since
        from_ = std::to_string(from);
        if (wanted_.as == form::csv) append_csv_header(text_);
        co_return std::nullopt;
    }

    awaitable<piece> next() override {
        piece made;
        if (last_.empty()) {
            made.last = true;
        } else {
            auto page = co_await reports_.within(page_budget).usage_range(from_, last_, page_size, trimmed_);
            std::string problem;
            if (const auto* error = std::get_if<store::redis_error>(&page)) {
                problem = error->what;
            } else {
                problem = take(std::get<store::oldest_first_page>(page));
                made.last = std::get<store::oldest_first_page>(page).ended;
            }
            if (!problem.empty()) {
                spdlog::warn("admin: an export ended early: {}", problem);
                made.failed = true;
                co_return made;
            }
        }
        made.bytes = gzip_ ? gzip_->pack(text_, made.last) : std::move(text_);
        text_.clear();
        co_return made;
    }

private:
    // The result is what is wrong; "" = nothing.
    std::string take(const store::oldest_first_page& page) {
        const auto trimmed = store::stream_id::parse(page.trimmed_to);
        if (cursor_ && trimmed > cursor_) return "records that were still to come were trimmed away meanwhile";
        for (const auto& [id, fields] : page.entries) {
            if (!is_wanted(fields, wanted_)) continue;
            if (wanted_.as == form::csv) {
                append_csv_row(text_, fields);
            } else {
                text_ += record_json(fields, reports_.when());
                text_ += '\n';
            }
        }
        if (!page.entries.empty()) {
            cursor_ = store::stream_id::parse(page.entries.back().first);
            from_ = "(" + page.entries.back().first;
        }
        if (page.ended && cursor_ != store::stream_id::parse(last_)) return "the newest record is gone from Redis";
        return {};
    }

    store::reports reports_;
    selection wanted_;
    std::shared_ptr<void> place_;
    std::unique_ptr<gzip> gzip_;
    std::string text_;                        // of the next piece
    std::string from_, last_;                 // ids of what is still to be read; the last one is "" for nothing
    std::vector<std::string> trimmed_;        // see usage_range()
    std::optional<store::stream_id> cursor_;  // of the last entry read
};

std::variant<form, bad_parameter> form_of(const query& asked) {
    const auto name = asked.get("format").value_or("csv");
    if (name == "csv") return form::csv;
    if (name == "ndjson") return form::ndjson;
    return bad_parameter{"format", "must be csv or ndjson"};
}

std::int64_t first_instant(const store::calendar& when, date day) {
    const std::chrono::year_month_day civil{day};
    return when.instant(static_cast<int>(civil.year()), static_cast<int>(static_cast<unsigned>(civil.month())),
                        static_cast<int>(static_cast<unsigned>(civil.day())));
}

response head_of(const date_range& range, form as, bool packed) {
    response made;
    const bool csv = as == form::csv;
    const std::string name = "aimeter-" + date_text(range.from) + "-to-" + date_text(range.to);
    made.headers = {
        {"Content-Type", csv ? "text/csv; charset=utf-8; header=present" : "application/x-ndjson"},
        {"Content-Disposition", "attachment; filename=\"" + name + (csv ? ".csv\"" : ".ndjson\"")},
        {"Cache-Control", "no-store"},
        {"Vary", "Accept-Encoding"},
        {"X-Content-Type-Options", "nosniff"},
    };
    if (packed) made.headers.emplace_back("Content-Encoding", "gzip");
    return made;
}

}  // namespace

awaitable<response> export_records(store::reports reports, std::int64_t now_ms, query asked, bool packed,
                                   std::shared_ptr<void> place) {
    const auto as = form_of(asked);
    if (const auto* bad = std::get_if<bad_parameter>(&as)) co_return bad_request(*bad);
    const auto range = range_of(asked, date_of(reports.when().at(now_ms)));
    if (const auto* bad = std::get_if<bad_parameter>(&range)) co_return bad_request(*bad);
    auto filters = filters_of(asked);
    if (const auto* bad = std::get_if<bad_parameter>(&filters)) co_return bad_request(*bad);
    if (!place) co_return problem(503, "Too many exports are under way; try again later.");

    const auto& days = std::get<date_range>(range);
    selection wanted{first_instant(reports.when(), days.from),
                     first_instant(reports.when(), days.to + std::chrono::days{1}),
                     std::get<std::vector<record_filter>>(std::move(filters)), std::get<form>(as)};
    auto source = std::make_shared<export_source>(reports, std::move(wanted), packed, std::move(place));
    if (const auto error = co_await source->begin())
        co_return problem(503, "The records could not be read: " + error->what);
    auto first = co_await source->next();
    if (first.failed) co_return problem(503, "The records could not be read; the log says why.");
    response made = head_of(days, std::get<form>(as), packed);
    made.body = std::move(first.bytes);
    if (!first.last) made.rest = std::move(source);
    co_return made;
}

}  // namespace admin
