#include "tracking/store/reprice_sums.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <ostream>
#include <string_view>

#include "tracking/record.hpp"
#include "tracking/store/counting.hpp"

namespace tracking::store {

namespace {

// "label  records  old  new  difference  changed  newly priced  no longer priced  unchanged", in columns.
using row = std::array<std::string, 9>;

void print_row(std::ostream& out, const row& cells) {
    constexpr std::array<int, 9> widths{-34, 9, 16, 16, 16, 9, 13, 17, 10};
    std::string line;
    for (std::size_t i = 0; i < cells.size(); ++i) {
        const auto width = static_cast<std::size_t>(widths[i] < 0 ? -widths[i] : widths[i]);
        const std::string gap(cells[i].size() < width ? width - cells[i].size() : 0, ' ');
        if (i > 0) line += ' ';
        line += widths[i] < 0 ? cells[i] + gap : gap + cells[i];
    }
    out << line << '\n';
}

void print_sums(std::ostream& out, std::string_view label, const reprice_sums& of) {
    const std::int64_t difference = of.difference();
    print_row(out,
              {std::string(label), std::to_string(of.records), usd_text(of.before), usd_text(of.now),
               (difference > 0 ? "+" : "") + usd_text(difference), std::to_string(of.changed()),
               std::to_string(of.newly_priced), std::to_string(of.no_longer_priced), std::to_string(of.unchanged)});
}

}  // namespace

void reprice_sums::add(const repriced& one) {
    ++records;
    unchanged += !one.changed();
    newly_priced += one.newly_priced();
    no_longer_priced += one.no_longer_priced();
    before = saturating_sum(before, one.before.value_or(0));
    now = saturating_sum(now, one.now.value_or(0));
}

void reprice_sums::add(const reprice_sums& other) {
    records += other.records;
    unchanged += other.unchanged;
    newly_priced += other.newly_priced;
    no_longer_priced += other.no_longer_priced;
    before = saturating_sum(before, other.before);
    now = saturating_sum(now, other.now);
}

std::int64_t reprice_sums::difference() const {
    constexpr auto most = std::numeric_limits<std::int64_t>::max();
    return saturating_sum(now, -std::max(before, -most));
}

void print_header(std::ostream& out) {
    print_row(out, {"day and model", "records", "old USD", "new USD", "difference", "changed", "newly priced",
                    "no longer priced", "unchanged"});
}

void print(std::ostream& out, const repriced_day& day) {
    print_sums(out, day.name, day.all);
    for (const auto& [model, sums] : day.models) print_sums(out, "  " + model, sums);
    if (day.missing() > 0)
        out << "  INCOMPLETE: of " << day.counted << " records of this day " << day.missing()
            << " are no longer in the stream, which was trimmed; their cost is not in these figures\n";
}

void print_total(std::ostream& out, const reprice_sums& total) { print_sums(out, "total", total); }

}  // namespace tracking::store
