#include "tracking/store/verify.hpp"

#include <ostream>

#include "tracking/store/audit_shards.hpp"

namespace tracking::store {

namespace {

void print(std::ostream& out, const audit_difference& one, std::string_view tail) {
    out << "  " << one.key;
    if (!one.field.empty()) out << ' ' << one.field;
    out << ": " << one.found << ", expected " << one.expected << tail << '\n';
}

void print_list(std::ostream& out, const std::vector<audit_difference>& some, std::int64_t all,
                std::string_view title) {
    if (all == 0) return;
    out << title << ": " << all << '\n';
    for (const auto& one : some) print(out, one, "");
    const auto rest = all - static_cast<std::int64_t>(some.size());
    if (rest > 0) out << "  and " << rest << " more\n";
}

void print_trimmed(std::ostream& out, const trimmed_part& of, const calendar& when) {
    if (of.entries == 0) return;
    const auto time = [&when](const std::string& id) {
        return id.empty() ? std::string("the beginning")
                          : when.rfc3339(static_cast<std::int64_t>(entry_id::parse(id).ms));
    };
    out << "trimmed from the streams: " << of.entries << " entries, " << of.cost_nano << " nano USD, shipped from "
        << time(of.from) << " to " << time(of.to);
    if (of.latest_ts > 0) out << ", the latest of a request of " << when.rfc3339(of.latest_ts);
    out << "; totals = this checkpoint + what was read\n";
}

void print(std::ostream& out, const audit_report& of, const calendar& when, const verify_options& how) {
    if (of.shards > 0) out << of.shards << " shards, added up\n";
    for (const auto& one : of.checks) {
        out << one.name << ": " << one.text << (one.agrees ? "  ok" : "  DIFFERENT") << '\n';
    }
    print_trimmed(out, of.trimmed, when);
    print_list(out, of.repaired, of.repaired_count, how.dry_run ? "would be repaired" : "repaired");
    print_list(out, of.differences, of.difference_count, "differences");
    for (const auto& note : of.notes) out << "note: " << note << '\n';
    if (of.passes > 1) out << "the streams were read " << of.passes << " times\n";
    out << (of.agrees ? "all agree" : "there are DIFFERENCES") << std::endl;
}

}  // namespace

bool verify(const conf::settings& settings, const verify_options& how, std::ostream& out, std::string& error) {
    return run_command(
        [&] {
            auto zone = calendar::open(settings.timezone);
            if (const auto* wrong = std::get_if<std::string>(&zone)) throw command_problem{*wrong};
            audit_options options{.memory = how.memory_mb << 20,
                                  .shown = how.shown,
                                  .repair = how.repair,
                                  .dry_run = how.dry_run,
                                  .force = how.force,
                                  .step = {}};
            const auto report = audit_all(settings, options);
            print(out, report, std::get<calendar>(zone), how);
            return report.agrees;
        },
        error);
}

}  // namespace tracking::store
