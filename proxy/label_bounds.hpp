// track.max_labels, for the process: what would be one feature, model or provider too many on a day is called "other"
// in the record, before the journal. Shared by all workers (the bound is the instance's), lock-free.
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
        if (!features_.admit(day, record.feature)) record.feature = "other";
        if (!models_.admit(day, record.ai_model)) record.ai_model = "other";
        if (!providers_.admit(day, record.provider)) record.provider = "other";
    }

private:
    const tracking::store::calendar& when_;
    tracking::store::label_bound features_, models_, providers_;
};

}  // namespace proxy
