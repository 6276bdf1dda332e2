// GET /ai/verify: what `aimeter verify` says, as JSON.
#include "admin-api/endpoints.hpp"
#include "admin-api/json_writer.hpp"
#include "admin-api/problem.hpp"
#include "admin-api/views.hpp"
#include "tracking/store/stream_entry.hpp"

namespace admin {

namespace {

namespace store = tracking::store;
using boost::asio::awaitable;

void write_sums(json_writer& json, std::string_view name, const store::audit_report::sums& of) {
    json.key(name);
    json.open('{');
    json.field("requests", of.requests);
    json.field("cost", usd{of.cost_nano});
    json.close('}');
}

void write_totals(json_writer& json, const store::audit_report& from) {
    json.key("totals");
    json.open('{');
    write_sums(json, "streams", from.streams);
    write_sums(json, "hashes", from.hashes);
    json.key("journal");
    json.open('{');
    json.field("applied", from.journal.applied);
    json.field("kept", from.journal.kept);
    json.field("missing", from.journal.missing);
    json.field("waiting", from.journal.waiting);
    json.close('}');
    json.close('}');
}

void write_checks(json_writer& json, const store::audit_report& from) {
    json.key("checks");
    json.open('[');
    for (const auto& one : from.checks) {
        json.open('{');
        json.field("name", one.name);
        json.field("ok", one.agrees);
        json.field("text", one.text);
        json.close('}');
    }
    json.close(']');
}

void write_differences(json_writer& json, const store::audit_report& from) {
    json.field("differenceCount", from.difference_count);
    json.key("differences");
    json.open('[');
    for (const auto& one : from.differences) {
        json.open('{');
        json.field("key", one.key);
        json.field("field", one.field.empty() ? std::optional<std::string>() : one.field);
        json.field("expected", one.expected);
        json.field("found", one.found);
        json.close('}');
    }
    json.close(']');
}

void write_trimmed(json_writer& json, const store::trimmed_part& of, const store::calendar& when) {
    json.key("trimmed");
    if (of.entries == 0) return json.value(std::nullopt);
    const auto time = [&when](const std::string& id) {
        return id.empty() ? std::optional<std::string>()
                          : when.rfc3339(static_cast<std::int64_t>(store::entry_id::parse(id).ms));
    };
    json.open('{');
    json.field("entries", of.entries);
    json.field("cost", usd{of.cost_nano});
    json.field("shippedFrom", time(of.from));
    json.field("shippedTo", time(of.to));
    json.field("latestRequest", of.latest_ts > 0 ? std::optional(when.rfc3339(of.latest_ts)) : std::nullopt);
    json.close('}');
}

}  // namespace

std::string verify_json(const store::audit_report& from, const store::calendar& when) {
    json_writer json;
    json.open('{');
    json.field("ok", from.agrees);
    json.field("generatedAt", when.rfc3339(from.ended_ms));
    json.field("startedAt", when.rfc3339(from.started_ms));
    json.field("timezone", when.zone());
    write_totals(json, from);
    write_checks(json, from);
    write_differences(json, from);
    write_trimmed(json, from.trimmed, when);
    json.key("notes");
    json.open('[');
    for (const auto& note : from.notes) json.value(note);
    json.close(']');
    json.close('}');
    return json.take();
}

std::string verify_running_json(const store::audit_running& from, const store::calendar& when) {
    json_writer json;
    json.open('{');
    json.field("ok", std::nullopt);
    json.field("running", true);
    json.field("startedAt", when.rfc3339(from.started_ms));
    json.field("entriesRead", from.entries_read);
    json.field("passesEnded", from.passes);
    json.close('}');
    return json.take();
}

awaitable<response> verify(store::verify_service* service, const store::calendar& when) {
    if (service == nullptr) co_return problem(503, "Nothing is verified here.");
    const auto answer = co_await service->ask(verify_patience);
    if (const auto* failed = std::get_if<store::audit_failed>(&answer))
        co_return problem(503, "The audit could not be made: " + failed->what);
    if (const auto* running = std::get_if<store::audit_running>(&answer)) {
        response made = json_response(202, verify_running_json(*running, when));
        made.headers.emplace_back("Retry-After", "5");
        co_return made;
    }
    co_return json_response(200, verify_json(std::get<store::audit_report>(answer), when));
}

}  // namespace admin
