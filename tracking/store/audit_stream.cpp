#include "tracking/store/audit_stream.hpp"

#include <algorithm>
#include <sstream>

#include "tracking/store/reply_numbers.hpp"

namespace tracking::store {

namespace {

// Redis is away from others for 2 ms at most. A page is counted in pieces of no more messages than a batch holds.
constexpr std::size_t page_entries = 500;
constexpr std::size_t piece_entries = 250;

std::uint64_t hash_of(std::string_view text) { return std::hash<std::string_view>{}(text); }

// "requests=12 success=11 ...", in the order of the enum; empty = there are none.
std::vector<std::int64_t> counters_in(const std::string& text) {
    std::vector<std::int64_t> values;
    std::istringstream words(text);
    for (std::string word; words >> word;) {
        const std::size_t sign = word.find('=');
        if (sign == std::string::npos) continue;
        values.resize(counter_count);
        for (std::size_t i = 0; i < counter_count; ++i) {
            if (field_of(static_cast<counter>(i)) == std::string_view(word).substr(0, sign))
                values[i] = number_in(word.substr(sign + 1));
        }
    }
    return values;
}

// Up to where two pages are to be counted. They may end at different entries when one stream has lost some: then the
// shorter way is gone.
entry_id end_of_pages(const reply& usage, const reply& analytics, bool both) {
    const auto last_of = [](const reply& page) {
        return page.elements.empty() ? entry_id{} : entry_id::parse(id_of_entry(page.elements.back()));
    };
    const bool detailed_goes_on = usage.elements.size() == page_entries;
    const bool general_goes_on = both && analytics.elements.size() == page_entries;
    if (detailed_goes_on == general_goes_on)
        return detailed_goes_on ? std::min(last_of(usage), last_of(analytics))
                                : std::max(last_of(usage), last_of(analytics));
    return detailed_goes_on ? last_of(usage) : last_of(analytics);
}

trimmed_part trimmed_of(const reply& meta) {
    trimmed_part of;
    if (meta.elements.size() < 6) return of;
    const auto text = [&meta](std::size_t i) { return meta.elements[i].text; };
    of.entries = number_in(text(0));
    of.cost_nano = number_in(text(1));
    of.from = text(2);
    of.to = text(3);
    of.latest_ts = number_in(text(4));
    of.counters = counters_in(text(5));
    return of;
}

}  // namespace

stream_info stream_info::of(const reply& xinfo) {
    stream_info info;
    for (std::size_t i = 0; i + 1 < xinfo.elements.size(); i += 2) {
        const auto& name = xinfo.elements[i].text;
        const auto& value = xinfo.elements[i + 1];
        if (name == "length") info.length = value.integer;
        if (name == "entries-added") info.added = value.integer;
        if (name == "last-generated-id") info.last = entry_id::parse(value.text);
    }
    return info;
}

void audit_stream::begin(recount& into, bool both, const std::function<void()>& step) {
    const auto meta = redis_.ask({{"HMGET", keys_.meta(), "trimmedEntries", "trimmedCostNanoUsd", "trimmedFrom",
                                   "trimmedTo", "trimmedLatestTs", "trimmedCounters"}});
    recount_ = &into;
    both_ = both;
    step_ = step;
    trimmed_ = trimmed_of(meta.front());
    at_ = entry_id::parse(trimmed_.to);
    entries_ = usage_cost_ = analytics_cost_ = mismatches_ = 0;
    ids_.clear();
    sorted_ = 0;
    share_bits_ = into.share().bits;
}

void audit_stream::ask_page(entry_id behind, entry_id last) {
    const std::string from = "(" + behind.text(), to = last.text(), most = std::to_string(page_entries);
    std::vector<command> commands{{"HGET", keys_.meta(), "trimmedTo"},
                                  {"XRANGE", keys_.usage_stream(), from, to, "COUNT", most}};
    if (both_) commands.push_back({"XRANGE", keys_.analytics_stream(), from, to, "COUNT", most});
    redis_.begin_at_once(std::move(commands));
}

// Redis makes the next page while this one is counted.
void audit_stream::read_up_to(entry_id last, bool shrinkable) {
    if (at_ < last) ask_page(at_, last);
    while (at_ < last) {
        auto seen = redis_.end_at_once();
        step_();
        if (at_ < entry_id::parse(seen[0].text)) throw overtaken_by_trimming{};
        for (const auto& one : seen) {
            if (one.is_error()) throw command_problem{one.text};
        }
        if (!both_) seen.emplace_back();
        const bool empty = seen[1].elements.empty() && seen[2].elements.empty();
        const entry_id end = empty ? last : end_of_pages(seen[1], seen[2], both_);
        if (end < last) ask_page(end, last);
        add_page(seen[1], seen[2], end, shrinkable);
        at_ = std::max(at_, end);
    }
}

void audit_stream::add_page(const reply& usage, const reply& analytics, entry_id end, bool shrinkable) {
    auto one = usage.elements.begin();
    auto other = analytics.elements.begin();
    std::size_t in_piece = 0;
    const auto within = [end](auto at, auto last) { return at != last && entry_id::parse(id_of_entry(*at)) <= end; };
    while (true) {
        const bool detailed = within(one, usage.elements.end()), general = within(other, analytics.elements.end());
        if (!detailed && !general) break;
        const auto left = detailed ? entry_id::parse(id_of_entry(*one)) : entry_id{UINT64_MAX, UINT64_MAX};
        const auto right = general ? entry_id::parse(id_of_entry(*other)) : entry_id{UINT64_MAX, UINT64_MAX};
        if (both_ && (left != right || !same_record(*one, *other))) ++mismatches_;
        if (left <= right) {
            add_entry(*one);
            ++one;
            if (++in_piece % piece_entries == 0) recount_->settle(shrinkable, ids_.size() * sizeof(ids_[0]));
        }
        if (right <= left) {
            analytics_cost_ = saturating_sum(analytics_cost_, nano_of(field_of_entry(*other, "cost")));
            ++other;
        }
    }
    recount_->settle(shrinkable, ids_.size() * sizeof(ids_[0]));
    if (recount_->share().bits != share_bits_) {
        share_bits_ = recount_->share().bits;
        std::erase_if(ids_, [this](std::uint64_t hash) { return !recount_->share().has(hash); });
        ids_.shrink_to_fit();
        sorted_ = 0;
    }
}

void audit_stream::add_entry(const reply& usage) {
    read_counted(usage, scratch_);
    recount_->add(scratch_);
    ++entries_;
    usage_cost_ = saturating_sum(usage_cost_, scratch_.cost_nano.value_or(0));
    const auto hash = hash_of(field_of_entry(usage, "id"));
    if (recount_->share().has(hash)) ids_.push_back(hash);
}

void audit_stream::sort_ids() {
    if (sorted_ == ids_.size()) return;
    std::sort(ids_.begin(), ids_.end());
    sorted_ = ids_.size();
}

std::int64_t audit_stream::duplicates() {
    sort_ids();
    std::int64_t found = 0;
    for (std::size_t i = 1; i < ids_.size(); ++i) found += ids_[i] == ids_[i - 1];
    return found;
}

bool audit_stream::has(std::string_view record_id) {
    sort_ids();
    return std::binary_search(ids_.begin(), ids_.end(), hash_of(record_id));
}

}  // namespace tracking::store
