// The part of reports that reads the streams: backwards for the list of requests, forwards for the export; on a cluster
// those of all shards, merged. Their ids are of the clocks of several nodes: in order as far as these agree.
#include <algorithm>

#include "tracking/store/reports.hpp"
#include "tracking/store/stream_id.hpp"

namespace tracking::store {

namespace {

using fields_list = std::vector<std::pair<std::string, std::string>>;

constexpr std::size_t part_least = 50;  // entries that a page reads of a shard

fields_list fields_of(const reply& flat) {
    fields_list fields;
    fields.reserve(flat.elements.size() / 2);
    for (std::size_t i = 0; i + 1 < flat.elements.size(); i += 2)
        fields.emplace_back(flat.elements[i].text, flat.elements[i + 1].text);
    return fields;
}

std::vector<std::pair<std::string, fields_list>> entries_of(const reply& range) {
    std::vector<std::pair<std::string, fields_list>> entries;
    entries.reserve(range.elements.size());
    for (const reply& entry : range.elements) {
        if (entry.elements.size() == 2) entries.emplace_back(entry.elements[0].text, fields_of(entry.elements[1]));
    }
    return entries;
}

stream_id id_of(std::string_view text) { return stream_id::parse(text).value_or(stream_id{}); }

stream_page to_page(const reply& of, std::size_t most) {
    stream_page page{entries_of(of), {}};
    if (page.entries.size() <= most) return page;
    page.entries.resize(most);  // one more than was asked for: there is a next page
    if (most > 0) page.next = page.entries.back().first;
    return page;
}

// Of equal ids, that of the lower shard comes first.
bool is_newer(const stream_id& a, const stream_id& b) {
    if (a.ms != b.ms) return a.ms > b.ms;
    return a.number != b.number ? a.number > b.number : a.shard < b.shard;
}

// The pages of all shards, in their order, as one: down to the newest end of a page behind which its shard goes on.
stream_page merged(std::vector<stream_page> pages, std::size_t most) {
    std::optional<stream_id> upto;
    const auto place_of = [](const std::string& id, std::size_t shard) {
        stream_id place = id_of(id);
        place.shard = static_cast<std::uint32_t>(shard);
        return place;
    };
    for (std::size_t shard = 0; shard < pages.size(); ++shard) {
        if (pages[shard].next.empty()) continue;
        const auto end = place_of(pages[shard].next, shard);
        if (!upto || is_newer(end, *upto)) upto = end;
    }
    std::vector<std::pair<stream_id, fields_list>> entries;
    for (std::size_t shard = 0; shard < pages.size(); ++shard) {
        for (auto& [id, fields] : pages[shard].entries) {
            const auto place = place_of(id, shard);
            if (!upto || !is_newer(*upto, place)) entries.emplace_back(place, std::move(fields));
        }
    }
    std::sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) { return is_newer(a.first, b.first); });
    const bool more = upto || entries.size() > most;
    if (entries.size() > most) entries.resize(most);
    stream_page all;
    for (auto& [id, fields] : entries) {
        all.entries.emplace_back(id.text() + "." + std::to_string(id.shard), std::move(fields));
    }
    if (more && !all.entries.empty()) all.next = all.entries.back().first;
    return all;
}

// What the pages of several shards tell for certain: all up to the earliest end of a page that its shard goes on
// behind.
oldest_first_page merged(std::vector<oldest_first_page> pages) {
    oldest_first_page all;
    all.ended = true;
    std::optional<stream_id> upto;
    for (const auto& page : pages) {
        if (page.ended || page.entries.empty()) continue;
        all.ended = false;
        const auto last = id_of(page.entries.back().first);
        if (!upto || last < *upto) upto = last;
    }
    for (auto& page : pages) {
        for (auto& entry : page.entries) {
            if (!upto || id_of(entry.first) <= *upto) all.entries.push_back(std::move(entry));
        }
        if (id_of(page.trimmed_to) > id_of(all.trimmed_to)) all.trimmed_to = page.trimmed_to;
    }
    std::stable_sort(all.entries.begin(), all.entries.end(),
                     [](const auto& a, const auto& b) { return id_of(a.first) < id_of(b.first); });
    return all;
}

}  // namespace

// ---- Newest first --------------------------------------------------------------------------------------------------

boost::asio::awaitable<answer<stream_page>> reports::entries(stream_of stream, std::string cursor, std::size_t most) {
    const auto behind = id_of(cursor);
    if (!cursor.empty() && behind.ms == 0 && behind.number == 0)
        co_return stream_page{};  // nothing is older, and Redis refuses "(0-0"
    std::uint32_t shard = 0;
    std::size_t each_most = most;
    const make_command make = [&](const key_names& keys, std::size_t) {
        std::string from = "+";
        // An entry of the cursor's own id may be left in shards that stand behind the cursor's.
        if (!cursor.empty()) from = (shard <= behind.shard ? "(" : "") + behind.text();
        ++shard;
        // Of many, each has few of the newest; a page that ends early is no harm.
        if (redis_->is_cluster()) each_most = std::min(most, std::max(part_least, 2 * most / redis_->shards().size()));
        return command{"XREVRANGE", (keys.*stream)(), from, "-", "COUNT", std::to_string(each_most + 1)};
    };
    std::vector<stream_page> pages;
    const take_reply take = [&](std::size_t, const reply& one) { pages.push_back(to_page(one, each_most)); };
    if (auto error = co_await each(1, 1, make, take)) co_return std::move(*error);
    if (!redis_->is_cluster()) co_return std::move(pages.front());
    co_return merged(std::move(pages), most);
}

boost::asio::awaitable<answer<stream_page>> reports::usage_entries(std::string cursor, std::size_t most) {
    return entries(&key_names::usage_stream, std::move(cursor), most);
}

boost::asio::awaitable<answer<stream_page>> reports::analytics_entries(std::size_t most) {
    return entries(&key_names::analytics_stream, {}, most);
}

// ---- Oldest first --------------------------------------------------------------------------------------------------

boost::asio::awaitable<answer<std::string>> reports::newest_usage_id() {
    std::string id;
    const make_command make = [&](const key_names& keys, std::size_t) {
        return command{"XREVRANGE", keys.usage_stream(), "+", "-", "COUNT", "1"};
    };
    const take_reply take = [&](std::size_t, const reply& one) {
        if (one.elements.empty() || one.elements.front().elements.empty()) return;
        const auto& found = one.elements.front().elements.front().text;
        if (id.empty() || id_of(found) > id_of(id)) id = found;
    };
    if (auto error = co_await each(1, 1, make, take)) co_return std::move(*error);
    co_return id;
}

// What has been trimmed is asked behind the page, so that nothing can go missing in between; on a cluster before the
// first one, too, since there the streams of some shards begin later than those of others.
boost::asio::awaitable<answer<oldest_first_page>> reports::usage_range(std::string from, std::string last,
                                                                       std::size_t most,
                                                                       std::vector<std::string>& trimmed) {
    std::vector<oldest_first_page> pages;
    std::vector<std::string> before;
    std::size_t each_most = most;
    const std::size_t ahead = redis_->is_cluster() ? 1 : 0;
    std::size_t answered = 0;  // pages whose last reply is here
    const make_command make = [&](const key_names& keys, std::size_t i) {
        if (i != ahead) return command{"HGET", keys.meta(), "trimmedTo"};
        if (redis_->is_cluster()) each_most = std::max(part_least, most / redis_->shards().size());
        return command{"XRANGE", keys.usage_stream(), from, last, "COUNT", std::to_string(each_most)};
    };
    const take_reply take = [&](std::size_t i, const reply& one) {
        if (i == ahead) {
            auto& page = pages.emplace_back();
            page.entries = entries_of(one);
            page.ended = one.elements.size() < each_most;
        } else if (i > ahead) {
            pages[answered++].trimmed_to = one.text;
        } else {
            before.push_back(one.text);
        }
    };
    if (auto error = co_await each(2 + ahead, 3, make, take)) co_return std::move(*error);
    if (!redis_->is_cluster()) co_return std::move(pages.front());
    if (trimmed.empty()) trimmed = before;
    for (std::size_t i = 0; i < pages.size() && i < trimmed.size(); ++i) {
        if (pages[i].trimmed_to == trimmed[i]) pages[i].trimmed_to.clear();
    }
    co_return merged(std::move(pages));
}

}  // namespace tracking::store
