#include "admin-api/exposition.hpp"

#include <algorithm>
#include <cctype>

#include "admin-api/json_writer.hpp"

namespace admin {

namespace {

constexpr std::string_view total = "_total";
constexpr std::string_view open_metrics_type = "application/openmetrics-text";

std::string_view type_text(metric_type type) {
    switch (type) {
        case metric_type::counter:
            return "counter";
        case metric_type::gauge:
            return "gauge";
        case metric_type::histogram:
            break;
    }
    return "histogram";
}

void append_label_value(std::string& to, std::string_view value) {
    for (const char c : valid_utf8(value)) {
        if (c == '\\' || c == '"') to += '\\';
        if (c == '\n')
            to += "\\n";
        else
            to += c;
    }
}

// a="1",b="2"
std::string label_text(const metric_labels& of) {
    std::string text;
    for (const metric_label& one : of) {
        if (one.value.empty()) continue;
        if (!text.empty()) text += ',';
        text.append(one.name).append("=\"");
        append_label_value(text, one.value);
        text += '"';
    }
    return text;
}

// OpenMetrics wants bounds that look like floats: "1.0". Prometheus since 3.0 writes all of them so.
std::string bound_text(std::int64_t bound, int places) {
    std::string text = decimal_text(bound, places);
    if (text.find('.') == std::string::npos) text += ".0";
    return text;
}

// Whether this element of an Accept field is OpenMetrics, and not with q=0.
bool wants_open_metrics(std::string_view element) {
    std::string plain;
    for (const char c : element)
        if (c != ' ' && c != '\t') plain += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    if (!plain.starts_with(open_metrics_type)) return false;
    const auto quality = plain.find(";q=");
    return quality == std::string::npos || plain.find_first_of("123456789", quality) != std::string::npos;
}

}  // namespace

exposition_format format_for(std::string_view accept) {
    while (!accept.empty()) {
        const auto end = std::min(accept.find(','), accept.size());
        if (wants_open_metrics(accept.substr(0, end))) return exposition_format::open_metrics;
        accept.remove_prefix(std::min(end + 1, accept.size()));
    }
    return exposition_format::text;
}

std::string_view content_type_of(exposition_format format) {
    return format == exposition_format::open_metrics ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
                                                     : "text/plain; version=0.0.4; charset=utf-8";
}

std::string decimal_text(std::int64_t value, int places) {
    const bool negative = value < 0;
    std::string digits =
        std::to_string(negative ? 0 - static_cast<std::uint64_t>(value) : static_cast<std::uint64_t>(value));
    const auto behind = static_cast<std::size_t>(places);
    if (digits.size() <= behind) digits.insert(0, behind + 1 - digits.size(), '0');
    if (behind > 0) {
        digits.insert(digits.size() - behind, ".");
        digits.erase(digits.find_last_not_of('0') + 1);
        if (digits.ends_with('.')) digits.pop_back();
    }
    return negative ? "-" + digits : digits;
}

void exposition::family(std::string_view name, metric_type type, std::string_view help) {
    name_ = name;
    std::string_view shown = name;
    if (format_ == exposition_format::open_metrics && type == metric_type::counter) shown.remove_suffix(total.size());
    out_.append("# HELP ").append(shown).append(" ").append(help).append("\n");
    out_.append("# TYPE ").append(shown).append(" ").append(type_text(type)).append("\n");
}

// `labels`: as label_text() wrote them. `bound`: the value of le, of a histogram's bucket.
void exposition::name(std::string_view suffix, std::string_view labels, std::string_view bound) {
    out_.append(name_).append(suffix);
    if (!labels.empty() || !bound.empty()) {
        out_.append("{").append(labels);
        if (!bound.empty()) out_.append(labels.empty() ? "" : ",").append("le=\"").append(bound).append("\"");
        out_ += '}';
    }
    out_ += ' ';
}

void exposition::sample(const metric_labels& of, std::int64_t value, int places) {
    name({}, label_text(of));
    out_.append(decimal_text(value, places)).append("\n");
}

void exposition::histogram(const metric_labels& of, const tracking::store::bounded_histogram& from,
                           std::span<const std::int64_t> bounds, int places) {
    const std::string labels = label_text(of);  // once for all lines: escaping is most of the work
    std::uint64_t so_far = 0;
    for (std::size_t i = 0; i < bounds.size(); ++i) {
        so_far += from.counts[i];
        name("_bucket", labels, bound_text(bounds[i], places));
        out_.append(std::to_string(so_far)).append("\n");
    }
    const std::string all = std::to_string(from.count());
    name("_bucket", labels, "+Inf");
    out_.append(all).append("\n");
    name("_sum", labels);
    out_.append(decimal_text(from.sum, places)).append("\n");
    name("_count", labels);
    out_.append(all).append("\n");
}

std::string exposition::take() {
    if (format_ == exposition_format::open_metrics) out_ += "# EOF\n";
    return std::move(out_);
}

}  // namespace admin
