// Writes metrics as text: the Prometheus text format 0.0.4, or OpenMetrics 1.0, which differ in how a counter's family
// is named and in the end mark. Knows no metric. Values are written from integers as plain decimals, so that no sum
// passes through a binary fraction; label values are escaped and made valid UTF-8.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tracking/store/record_metrics.hpp"

namespace admin {

enum class exposition_format : std::uint8_t { text, open_metrics };
enum class metric_type : std::uint8_t { counter, gauge, histogram };

// What an Accept field asks for; text when in doubt.
exposition_format format_for(std::string_view accept);
std::string_view content_type_of(exposition_format format);

// One whose value is empty is left out: to Prometheus that is the same.
struct metric_label {
    std::string_view name, value;
};
using metric_labels = std::vector<metric_label>;

class exposition {
public:
    explicit exposition(exposition_format format) : format_(format) {}

    // What follows are samples of this metric, whose name ends in _total when it is a counter. Each metric once.
    void family(std::string_view name, metric_type type, std::string_view help);
    // The value is `value` / 10^`places`.
    void sample(const metric_labels& of, std::int64_t value, int places = 0);
    void sample(std::int64_t value, int places = 0) { sample({}, value, places); }
    void histogram(const metric_labels& of, const tracking::store::bounded_histogram& from,
                   std::span<const std::int64_t> bounds, int places);

    // A family of one sample without labels.
    void one(std::string_view name, metric_type type, std::string_view help, std::int64_t value, int places = 0) {
        family(name, type, help);
        sample(value, places);
    }

    std::string take();

private:
    void name(std::string_view suffix, std::string_view labels, std::string_view bound = {});

    const exposition_format format_;
    std::string name_;
    std::string out_;
};

// value / 10^places without trailing zeros: decimal_text(1500, 3) is "1.5".
std::string decimal_text(std::int64_t value, int places);

}  // namespace admin
