// What each route does: asks the store, adds up, hands the figures to a view. Answers 503 when Redis is away or slow.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <string>

#include "admin-api/api.hpp"
#include "admin-api/query.hpp"
#include "tracking/store/reports.hpp"

namespace admin {

// Redis has this long for all questions of one report (a year with many labels is some ten thousand small ones), and
// for one call that pages through records.
inline constexpr std::chrono::milliseconds report_budget{15'000};
inline constexpr std::chrono::milliseconds scan_budget{2'000};
// Entries of the stream that one call of /ai/requests looks at, when it filters.
inline constexpr std::size_t scanned_most = 50'000;
// Exports under way at one time: each holds some 2 MB.
inline constexpr std::size_t exports_most = 16;

boost::asio::awaitable<response> overview(tracking::store::reports reports, std::int64_t now_ms);
boost::asio::awaitable<response> usage(tracking::store::reports reports, std::int64_t now_ms, query asked);
boost::asio::awaitable<response> stats(tracking::store::reports reports, std::int64_t now_ms);
boost::asio::awaitable<response> requests(tracking::store::reports reports, std::int64_t now_ms, query asked);
boost::asio::awaitable<response> user(tracking::store::reports reports, std::int64_t now_ms, std::string id,
                                      query asked);
// Waits for the end of the audit for so long, then answers 202 with how far it is.
inline constexpr std::chrono::milliseconds verify_patience{20'000};
boost::asio::awaitable<response> verify(tracking::store::verify_service* service,
                                        const tracking::store::calendar& when);

// `packed`: as gzip. `place`: one of the exports that may be under way; null = all are taken.
boost::asio::awaitable<response> export_records(tracking::store::reports reports, std::int64_t now_ms, query asked,
                                                bool packed, std::shared_ptr<void> place);

// 101, or why not. Whether the asker may look has been decided before, but for the Origin.
class live_feed;
response live(const request& what, live_feed& feed);

response bad_request(const bad_parameter& why);

}  // namespace admin
