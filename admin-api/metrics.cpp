// The metrics of the process: journal, Redis, upstream, clients, configuration.
#include "admin-api/metrics.hpp"

namespace admin {

namespace {

using enum metric_type;
constexpr int milli = 3, micro = 6;  // decimal places

std::int64_t number(std::uint64_t value) { return static_cast<std::int64_t>(value); }

void write_journal(exposition& to, const metrics_state& now) {
    to.one("aimeter_journal_lag_records", gauge, "Records that are not in Redis yet.", number(now.shipping.lag));
    to.one("aimeter_journal_lag_seconds", gauge, "How long the oldest of them has been waiting.",
           now.shipping.waiting.count(), milli);
    to.one("aimeter_journal_bytes", gauge, "Bytes that all segments take.", number(now.journal.bytes));
    to.one("aimeter_journal_limit_bytes", gauge, "Bytes that they may take (journal.size).", number(now.journal_size));
    to.one("aimeter_journal_writable", gauge, "1 while records find room.", now.journal.writable ? 1 : 0);
    to.one("aimeter_journal_lost_records_total", counter, "Records that found no room in the journal.",
           number(now.journal.lost));
    to.one("aimeter_journal_unprotected_requests_total", counter,
           "Requests that found no room at their begin: lost only if the process was killed during them.",
           number(now.journal.unprotected));
    to.one("aimeter_journal_damaged_frames_total", counter, "Frames of the journal that could not be read.",
           number(now.journal.damaged));
}

void write_redis(exposition& to, const tracking::store::shipper_state& of) {
    to.one("aimeter_redis_connected", gauge, "1 while records can be shipped.", of.connected ? 1 : 0);
    to.one("aimeter_redis_connection_failures_total", counter, "Connections to Redis that failed or were lost.",
           number(of.connections_lost));
    to.one("aimeter_redis_records_applied_total", counter, "Records that this process brought into Redis.",
           number(of.shipped));
    to.one("aimeter_redis_recovered_records_total", counter,
           "Those of them that processes before this one had written (the request metrics do not count them).",
           number(of.shipped_for_others));
    to.one("aimeter_redis_batches_applied_total", counter, "Batches that Redis applied.", number(of.batches));
    to.one("aimeter_redis_batches_refused_total", counter, "Batches that Redis refused; they are tried again.",
           number(of.refused));
    to.family("aimeter_redis_apply_duration_seconds", histogram, "Time from sending a batch to Redis' answer.");
    to.histogram({}, of.apply_us, tracking::store::apply_bounds_us, micro);
}

void write_upstream(exposition& to, const std::vector<metrics_state::peer>& peers) {
    const auto each = [&](std::string_view name, metric_type type, std::string_view help, auto value) {
        to.family(name, type, help);
        for (const auto& one : peers) to.sample({{"peer", one.address}}, value(one));
    };
    using peer = metrics_state::peer;
    each("aimeter_upstream_peer_up", gauge, "0 while a worker leaves the peer out because it failed.",
         [](const peer& one) { return one.up ? 1 : 0; });
    each("aimeter_upstream_requests_total", counter, "Attempts to have a request answered by the peer, tracked or not.",
         [](const peer& one) { return number(one.requests); });
    each("aimeter_upstream_failures_total", counter, "Those of them that found no connection or got no answer.",
         [](const peer& one) { return number(one.failures); });
    each("aimeter_upstream_requests_in_flight", gauge, "Requests under way at the peer.",
         [](const peer& one) { return number(one.under_way); });
    each("aimeter_upstream_idle_connections", gauge, "Connections kept for a next request.",
         [](const peer& one) { return number(one.idle); });
}

void write_workers(exposition& to, const metrics_state& now) {
    const auto each = [&](std::string_view name, std::string_view help, auto value) {
        to.family(name, gauge, help);
        for (std::size_t i = 0; i < now.workers.size(); ++i) {
            const std::string index = std::to_string(i);
            to.sample({{"worker", index}}, value(now.workers[i]));
        }
    };
    using worker = metrics_state::worker;
    each("aimeter_client_connections", "Open connections of clients.",
         [](const worker& one) { return number(one.client_connections); });
    each("aimeter_worker_responding", "0 = the worker did not answer in time; its figures are those of before.",
         [](const worker& one) { return one.responding ? 1 : 0; });
    to.one("aimeter_client_connections_limit", gauge, "Connections that there may be (limits.connections).",
           number(now.connections_most));
}

void write_certificates(exposition& to, const std::vector<metrics_state::certificate>& all) {
    if (all.empty()) return;  // no TLS
    to.family("aimeter_tls_certificate_expiry_timestamp_seconds", gauge,
              "When the certificate ceases to be valid, since the epoch.");
    for (std::size_t i = 0; i < all.size(); ++i) {
        const std::string index = std::to_string(i);  // two may have the same name
        to.sample({{"certificate", index}, {"name", all[i].name}}, all[i].ends_ms, milli);
    }
}

void write_life(exposition& to, const metrics_state& now) {
    to.family("aimeter_build_info", gauge, "1, with the version as a label.");
    to.sample({{"version", AIMETER_VERSION}}, 1);
    to.one("aimeter_config_last_reload_successful", gauge, "0 when the last reload was refused.",
           now.reload_succeeded ? 1 : 0);
    to.one("aimeter_config_last_reload_success_timestamp_seconds", gauge,
           "When the configuration in force was read, since the epoch.", now.reloaded_ms, milli);
    to.one("aimeter_draining", gauge, "1 while the process is ending.", now.draining ? 1 : 0);
}

void write_process(exposition& to, const process_figures& of) {
    to.one("process_cpu_seconds_total", counter, "User and system CPU time.", of.cpu_ms, milli);
    to.one("process_resident_memory_bytes", gauge, "Resident memory.", of.resident_bytes);
    to.one("process_virtual_memory_bytes", gauge, "Virtual memory.", of.virtual_bytes);
    to.one("process_start_time_seconds", gauge, "When the process was started, since the epoch.", of.start_ms, milli);
    to.one("process_open_fds", gauge, "Open file descriptors.", of.open_files);
    to.one("process_max_fds", gauge, "How many there may be.", of.files_most);
}

}  // namespace

std::string metrics_text(const metrics_state& now, const std::optional<process_figures>& process,
                         exposition_format format) {
    exposition to(format);
    if (now.records != nullptr) write_record_metrics(to, *now.records);
    write_journal(to, now);
    write_redis(to, now.shipping);
    write_upstream(to, now.peers);
    write_workers(to, now);
    write_certificates(to, now.certificates);
    write_life(to, now);
    if (process) write_process(to, *process);
    return to.take();
}

}  // namespace admin
