// One admin request, from its route to its response: method, token, parameters, endpoint. Nothing escapes as an
// exception; what fails unexpectedly is logged here and answered 500.
#include "admin-api/api.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>

#include "admin-api/auth.hpp"
#include "admin-api/content_coding.hpp"
#include "admin-api/dashboard.hpp"
#include "admin-api/endpoints.hpp"
#include "admin-api/gzip.hpp"
#include "admin-api/metrics.hpp"
#include "admin-api/openapi.hpp"
#include "admin-api/places.hpp"
#include "admin-api/problem.hpp"
#include "admin-api/query.hpp"
#include "admin-api/router.hpp"
#include "admin-api/views.hpp"

namespace admin {

namespace {

using boost::asio::awaitable;

response wrong_method() {
    response made = problem(405, "This route answers GET and HEAD.");
    made.headers.emplace_back("Allow", "GET, HEAD");
    return made;
}

response no_head_of_a_socket() {
    response made = problem(405, "This route answers GET.");
    made.headers.emplace_back("Allow", "GET");
    return made;
}

}  // namespace

struct api::impl {
    parts with;
    authenticator door;
    dashboard pages;
    places exports{exports_most};

    explicit impl(parts given)
        : with(std::move(given)),
          door(with.tokens, with.clock, with.settings.admin.session),
          pages(with.settings, door) {}

    // Redis down is still ready: records wait in the journal.
    awaitable<response> ready(bool detailed) {
        const health now = co_await with.health();
        const bool ready = !now.draining && now.journal_writable && now.upstream_reachable;
        co_return json_response(ready ? 200 : 503, ready_json(now, ready, detailed));
    }

    // Whom admin.metrics_public lets in without a token.
    bool is_open(const route& to) const {
        return to.open || (to.endpoint == endpoint_id::metrics && with.settings.admin.metrics_public);
    }

    awaitable<response> metrics(const request& what) {
        if (!with.metrics) co_return problem(404, "There are no metrics here.");
        const auto accept = std::find_if(what.headers.begin(), what.headers.end(),
                                         [](const auto& field) { return field.first == "accept"; });
        const auto format = format_for(accept == what.headers.end() ? std::string_view() : accept->second);
        const metrics_state now = co_await with.metrics();
        response made;
        made.status = 200;
        made.headers = {{"Content-Type", std::string(content_type_of(format))},
                        {"Cache-Control", "no-store"},
                        {"X-Content-Type-Options", "nosniff"}};
        made.body = metrics_text(now, read_process_figures(), format);
        co_return made;
    }

    awaitable<response> one_user(std::string_view name, query asked) {
        auto id = percent_decoded(name);
        if (!id) co_return problem(400, "The user's id has a malformed %XX in it.", "id");
        const auto reports = with.reports.within(report_budget);
        co_return co_await user(reports, with.clock.wall_ms(), std::move(*id), std::move(asked));
    }

    awaitable<response> answer(const request& what) {
        if (auto page = pages.handle(what)) co_return std::move(*page);
        const auto to = match(with.settings.admin, what.target, with.settings.admin.listen.has_value());
        if (!to) co_return problem(404, "There is no such admin route.");
        if (what.method != "GET" && what.method != "HEAD")
            co_return to->to->endpoint == endpoint_id::live ? no_head_of_a_socket() : wrong_method();
        const auto token = door.check(what);
        const bool known = token.is == authenticator::verdict::passed;
        if (!known && !is_open(*to->to)) co_return refusal(token);
        auto asked = query::parse(to->query, to->to->parameters);
        if (const auto* bad = std::get_if<bad_parameter>(&asked)) co_return bad_request(*bad);
        if (to->to->endpoint == endpoint_id::metrics) co_return co_await metrics(what);
        if (to->to->endpoint == endpoint_id::user)
            co_return co_await one_user(to->name, std::move(std::get<query>(asked)));
        if (to->to->endpoint == endpoint_id::export_records)
            co_return co_await start_export(what, std::move(std::get<query>(asked)));
        if (to->to->endpoint == endpoint_id::live && with.live != nullptr)
            co_return what.method == "GET" ? live(what, *with.live) : no_head_of_a_socket();
        co_return co_await ask(to->to->endpoint, std::move(std::get<query>(asked)), known);
    }

    awaitable<response> start_export(const request& what, query asked) {
        bool packed = false;
        for (const auto& [name, value] : what.headers)
            packed |= name == "accept-encoding" && accepts_coding(value, "gzip");
        auto place = exports.take();
        co_return co_await export_records(with.reports, with.clock.wall_ms(), std::move(asked), packed,
                                          std::move(place));
    }

    awaitable<response> ask(endpoint_id endpoint, query asked, bool known) {
        const auto now = with.clock.wall_ms();
        const auto reports = with.reports.within(endpoint == endpoint_id::requests ? scan_budget : report_budget);
        switch (endpoint) {
            case endpoint_id::overview:
                co_return co_await overview(reports, now);
            case endpoint_id::usage:
                co_return co_await usage(reports, now, std::move(asked));
            case endpoint_id::stats:
                co_return co_await stats(reports, now);
            case endpoint_id::requests:
                co_return co_await requests(reports, now, std::move(asked));
            case endpoint_id::verify:
                co_return co_await verify(with.verify, reports.when());
            case endpoint_id::healthz:
                co_return json_response(200, alive_json());
            case endpoint_id::openapi:
                co_return json_response(200, openapi_document(with.settings.admin.path));
            case endpoint_id::metrics:  // these were answered already, or have no one to answer
            case endpoint_id::user:
            case endpoint_id::export_records:
            case endpoint_id::live:
            case endpoint_id::readyz:
                break;
        }
        co_return co_await ready(known);
    }
};

api::api(parts with) : impl_(std::make_unique<impl>(std::move(with))) {}
api::~api() = default;

awaitable<response> api::handle(request what) {
    try {
        co_return co_await impl_->answer(what);
    } catch (const std::exception& failure) {
        spdlog::error("admin: {}: {}", what.method, failure.what());
    }
    co_return problem(500, "Something went wrong; the log says what.");
}

}  // namespace admin
