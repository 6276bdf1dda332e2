// track.max_labels, for the process: what would be one feature, model or provider too many on a day is called "other"
// in the record, before the journal; the record keeps the name beside it. Shared by all workers (the bound is the
// instance's), lock-free.
#pragma once

#include "tracking/record.hpp"
#include "tracking/store/calendar.hpp"
#include "tracking/store/label_bound.hpp"

namespace proxy {

class label_bounds {
public:
    label_bounds(std::uint32_t most, const tracking::store::calendar& when)
        : when_(when), features_(most), models_(most), providers_(most) {}

    void fold(tracking::record& record) noexcept {
        const std::int64_t local_seconds = record.ts_ms / 1000 + when_.at(record.ts_ms).utc_offset;
        const std::int64_t day = local_seconds / 86'400;
        bound(features_, day, record.feature, record.raw_feature);
        bound(models_, day, record.ai_model, record.raw_model);
        bound(providers_, day, record.provider, record.raw_provider);
    }

private:
    static void bound(tracking::store::label_bound& by, std::int64_t day, std::string& label,
                      std::string& raw) noexcept {
        if (label == "other") return;  // it is, or became so when the request was forwarded
        raw.clear();
        if (by.admit(day, label)) return;
        raw.swap(label);
        label = "other";
    }

    const tracking::store::calendar& when_;
    tracking::store::label_bound features_, models_, providers_;
};

}  // namespace proxy
