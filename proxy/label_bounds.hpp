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

    // A request under way: what it is called so far may still change, and takes no place.
    void fold_so_far(tracking::record& record) noexcept { fold(record, &tracking::store::label_bound::has_room_for); }
    void fold(tracking::record& record) noexcept { fold(record, &tracking::store::label_bound::admit); }
    // The names as they were before, to be asked for anew.
    static void unfold(tracking::record& record) noexcept {
        unfold(record.feature, record.raw_feature);
        unfold(record.ai_model, record.raw_model);
        unfold(record.provider, record.raw_provider);
    }

private:
    using question = bool (tracking::store::label_bound::*)(std::int64_t, std::string_view) noexcept;

    void fold(tracking::record& record, question stays) noexcept {
        const std::int64_t day = when_.day_number(record.ts_ms);
        fold((features_.*stays)(day, record.feature), record.feature, record.raw_feature);
        fold((models_.*stays)(day, record.ai_model), record.ai_model, record.raw_model);
        fold((providers_.*stays)(day, record.provider), record.provider, record.raw_provider);
    }

    static void fold(bool stays, std::string& label, std::string& raw) noexcept {
        if (stays || label == "other") return;
        raw.swap(label);
        label = "other";
    }
    static void unfold(std::string& label, std::string& raw) noexcept {
        if (raw.empty()) return;
        label.swap(raw);
        raw.clear();
    }

    const tracking::store::calendar& when_;
    tracking::store::label_bound features_, models_, providers_;
};

}  // namespace proxy
