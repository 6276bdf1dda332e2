// The part of reports that reads the usage stream forwards, page by page, for the export.
#include "tracking/store/reports.hpp"

namespace tracking::store {

namespace {

std::vector<std::pair<std::string, std::string>> fields_of(const reply& flat) {
    std::vector<std::pair<std::string, std::string>> fields;
    fields.reserve(flat.elements.size() / 2);
    for (std::size_t i = 0; i + 1 < flat.elements.size(); i += 2)
        fields.emplace_back(flat.elements[i].text, flat.elements[i + 1].text);
    return fields;
}

}  // namespace

boost::asio::awaitable<answer<std::string>> reports::newest_usage_id() {
    std::string id;
    const make_command make = [&](std::size_t) {
        return command{"XREVRANGE", keys_.usage_stream(), "+", "-", "COUNT", "1"};
    };
    const take_reply take = [&](std::size_t, const reply& one) {
        if (!one.elements.empty() && !one.elements.front().elements.empty())
            id = one.elements.front().elements.front().text;
    };
    if (auto error = co_await each(1, 1, make, take)) co_return std::move(*error);
    co_return id;
}

// What has been trimmed is asked behind the page, so that nothing can go missing in between.
boost::asio::awaitable<answer<oldest_first_page>> reports::usage_range(std::string from, std::string last,
                                                                       std::size_t most) {
    oldest_first_page page;
    const make_command make = [&](std::size_t i) {
        if (i == 1) return command{"HGET", keys_.meta(), "trimmedTo"};
        return command{"XRANGE", keys_.usage_stream(), from, last, "COUNT", std::to_string(most)};
    };
    const take_reply take = [&](std::size_t i, const reply& one) {
        if (i == 1) {
            page.trimmed_to = one.text;
            return;
        }
        page.entries.reserve(one.elements.size());
        for (const reply& entry : one.elements) {
            if (entry.elements.size() == 2)
                page.entries.emplace_back(entry.elements[0].text, fields_of(entry.elements[1]));
        }
        page.ended = one.elements.size() < most;
    };
    if (auto error = co_await each(2, 2, make, take)) co_return std::move(*error);
    co_return page;
}

}  // namespace tracking::store
