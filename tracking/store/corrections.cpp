#include "tracking/store/corrections.hpp"

#include "tracking/record.hpp"
#include "tracking/store/scripts.hpp"

namespace tracking::store {

namespace {

constexpr std::string_view staged_seconds = "3600";

}  // namespace

corrections::corrections(command_redis& redis, const key_names& keys)
    : redis_(redis), keys_(keys), run_(to_text(make_uuid7(0)).substr(24)) {}

void corrections::stage(const std::string& day, const correction& one) {
    command add{"XADD", keys_.staged_corrections(day, run_), one.entry, "id", one.id};
    const auto field = [&add](const char* name, const std::string& value) {
        if (value.empty()) return;
        add.emplace_back(name);
        add.push_back(value);
    };
    field("aiModel", one.model);
    if (one.cost.before) field("oldCostNanoUsd", std::to_string(*one.cost.before));
    if (one.cost.now) field("newCostNanoUsd", std::to_string(*one.cost.now));
    field("oldPriceId", one.old_price_id);
    field("priceId", one.price_id);
    pending_.push_back(std::move(add));
    if (++staged_[day] == 1)
        pending_.push_back({"EXPIRE", keys_.staged_corrections(day, run_), std::string(staged_seconds)});
}

void corrections::send() {
    if (pending_.empty()) return;
    redis_.ask(pending_);
    pending_.clear();
}

std::int64_t corrections::apply(const repriced_day& day, std::string_view catalogue, std::int64_t expires) {
    send();
    const reprice_sums& all = day.all;
    command words{"EVAL",
                  std::string(correct_script),
                  "4",
                  keys_.corrections(day.name),
                  keys_.corrected_records(day.name),
                  keys_.staged_corrections(day.name, run_),
                  keys_.corrected_days(),
                  day.name,
                  std::to_string(expires),
                  std::to_string(staged_[day.name])};
    const auto field = [&words](const char* name, std::string value) {
        words.emplace_back(name);
        words.push_back(std::move(value));
    };
    field("recordsRead", std::to_string(day.read));  // the script looks at this one
    field("recordsMissing", std::to_string(day.missing()));
    field("records", std::to_string(all.records));
    field("changed", std::to_string(all.changed()));
    field("newlyPriced", std::to_string(all.newly_priced));
    field("noLongerPriced", std::to_string(all.no_longer_priced));
    field("unchanged", std::to_string(all.unchanged));
    field("oldCostNanoUsd", std::to_string(all.before));
    field("newCostNanoUsd", std::to_string(all.now));
    field("differenceNanoUsd", std::to_string(all.difference()));
    field("catalogue", std::string(catalogue));
    const auto answer = redis_.ask({words}).front();
    const bool kept = answer.elements.size() == 2 && answer.elements[0].text == "kept";
    return kept ? answer.elements[1].integer : 0;
}

}  // namespace tracking::store
