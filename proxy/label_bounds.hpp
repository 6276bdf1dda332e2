// track.max_labels and track.max_users, for the process: what would be one feature, model, provider or user too many on
// a day is called "other" in the record, before the journal; the record keeps the name beside it. Shared by all workers
// (the bound is the instance's), lock-free.
#pragma once

#include <algorithm>
#include <atomic>

#include "conf/config.hpp"
#include "tracking/record.hpp"
#include "tracking/store/calendar.hpp"
#include "tracking/store/label_bound.hpp"

namespace proxy {

class label_bounds {
public:
    label_bounds(const conf::track_settings& most, const tracking::store::calendar& when)
        : when_(when),
          features_(most.max_labels),
          models_(most.max_labels),
          providers_(most.max_labels),
          users_(most.max_users) {}

    // A request under way: what it is called so far may still change, and takes no place.
    void fold_so_far(tracking::record& record) noexcept {
        fold(record, record.ts_ms, &tracking::store::label_bound::has_room_for);
    }
    // Asks on the day on which it ends: with that of its arrival, a request that saw two midnights would look like a
    // clock that was put right, and the bound would begin anew.
    void fold(tracking::record& record, std::int64_t ended_ms) noexcept {
        fold(record, std::max(record.ts_ms, ended_ms), &tracking::store::label_bound::admit);
    }
    // The names as they were before, to be asked for anew.
    static void unfold(tracking::record& record) noexcept {
        unfold(record.feature, record.raw_feature);
        unfold(record.ai_model, record.raw_model);
        unfold(record.provider, record.raw_provider);
        unfold(record.user_id, record.raw_user_id);
    }

private:
    using question = bool (tracking::store::label_bound::*)(std::int64_t, std::string_view) noexcept;

    void fold(tracking::record& record, std::int64_t asked_ms, question stays) noexcept {
        const std::int64_t day = when_.day_number(asked_ms);
        bool all = fold((features_.*stays)(day, record.feature), record.feature, record.raw_feature);
        all &= fold((models_.*stays)(day, record.ai_model), record.ai_model, record.raw_model);
        all &= fold((providers_.*stays)(day, record.provider), record.provider, record.raw_provider);
        if (!all) tell(day, labels_told_, "track.max_labels");
        if (!anyone_may_say(record.user_from)) return;
        if (!fold((users_.*stays)(day, record.user_id), record.user_id, record.raw_user_id))
            tell(day, users_told_, "track.max_users");
    }

    // Whom a verified token or the application names is one of its users; other names may be made up without end.
    static bool anyone_may_say(tracking::user_source from) noexcept {
        return from == tracking::user_source::header || from == tracking::user_source::key;
    }
    // False = it became "other".
    static bool fold(bool stays, std::string& label, std::string& raw) noexcept {
        if (stays || label == "other") return true;
        raw.swap(label);
        label = "other";
        return false;
    }
    static void unfold(std::string& label, std::string& raw) noexcept {
        if (raw.empty()) return;
        label.swap(raw);
        raw.clear();
    }
    // In the log, once a day.
    static void tell(std::int64_t day, std::atomic<std::int64_t>& told, const char* key) noexcept;

    const tracking::store::calendar& when_;
    tracking::store::label_bound features_, models_, providers_, users_;
    std::atomic<std::int64_t> labels_told_ = 0, users_told_ = 0;  // the day
};

}  // namespace proxy
