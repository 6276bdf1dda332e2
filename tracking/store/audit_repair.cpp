// Mends what can be counted again: all keys of a day (or of a month) in one script, each made anew, only if the stream
// still stands where it was counted to. A repair that is cut short leaves whole keys behind, and can be run again.
#include <algorithm>
#include <tuple>

#include "tracking/store/audit.hpp"
#include "tracking/store/message_pack.hpp"
#include "tracking/store/scripts.hpp"

namespace tracking::store {

namespace {

constexpr int tries = 200;                       // against a Redis that is shipped to all the time
constexpr std::size_t elements_at_once = 5'000;  // of one script: about 2 ms
constexpr std::size_t staged_from = 2'000;       // members of a key that is made beside and renamed
constexpr std::size_t members_at_once = 1'000;
constexpr std::size_t messages_most = 200;  // as many as a batch keeps of a day
constexpr std::string_view staged_seconds = "3600";

using words = std::vector<std::string>;

std::string_view type_of(content holds) {
    switch (holds) {
        case content::errors:
        case content::users_requests:
        case content::users_cost:
            return "zset";
        case content::labels:
            return "set";
        case content::active:
            return "string";
        default:
            return "hash";
    }
}

void add_member(words& to, content holds, const std::string& name, std::int64_t count) {
    if (holds == content::labels) {
        to.push_back(name);
    } else if (type_of(holds) == "zset") {  // score, member
        to.push_back(std::to_string(count));
        to.push_back(name);
    } else {
        to.push_back(name);
        to.push_back(std::to_string(count));
    }
}

// The most frequent ones by name, the rest as "other".
named_sums bounded(const named_sums& messages) {
    if (messages.size() <= messages_most) return messages;
    static const std::string other_name = "other";
    std::vector<std::pair<std::int64_t, interned>> order;
    for (const auto& [name, count] : messages) {
        if (name.text() != other_name) order.emplace_back(count, name);
    }
    std::sort(order.begin(), order.end(), [](const auto& a, const auto& b) {
        return std::tie(a.first, a.second.text()) > std::tie(b.first, b.second.text());
    });
    named_sums kept;
    std::int64_t rest = 0;
    if (const auto other = messages.find(other_name); other != messages.end()) rest = other->second;
    for (std::size_t i = 0; i < order.size(); ++i) {
        if (i < messages_most) {
            kept.emplace(order[i].second, order[i].first);
        } else {
            rest += order[i].first;
        }
    }
    if (rest > 0) kept.insert_or_assign(interned(other_name), rest);
    return kept;
}

std::size_t size_of(const expected_key& of) {
    const auto* named = std::get_if<named_sums>(&of.values);
    return named != nullptr ? named->size() : of.numbers().size();
}

// An operation of repair.lua by which a list goes.
void pack_removal(message_pack& to, words& keys, std::string key) {
    keys.push_back(std::move(key));
    const auto operation = to.open_array();
    to.text("list");
    to.integer(static_cast<std::int64_t>(keys.size()));
    for (int i = 0; i < 2; ++i) to.integer(0);  // nothing was staged, and nothing expires
    to.text("");
    to.close_array(to.open_array(), 0);
    to.close_array(operation, 6);
}

}  // namespace

bool audit::can_mend(const item& one, bool exact) {
    if (!times_of(one.second.what, *when_, *periods_)) return false;
    return exact || (one.second.what.period == "total" && !stream_.trimmed().counters.empty());
}

void audit::mend() {
    std::map<std::string, std::vector<item*>> groups;
    for (const auto& key : to_mend_) {
        auto& one = *counted_->keys().find(key);
        groups[one.second.what.group(key)].push_back(&one);
    }
    for (const auto& [name, group] : groups) mend_group(group);

    // Whatever still differs is told, whether it can be mended or not.
    const auto tallies = tallies_;
    mending_ = false;
    std::vector<item*> again;
    for (const auto& key : to_mend_) again.push_back(&*counted_->keys().find(key));
    for (std::size_t i = 0; i < again.size(); i += 64) {
        compare({again.begin() + static_cast<std::ptrdiff_t>(i),
                 again.begin() + static_cast<std::ptrdiff_t>(std::min(again.size(), i + 64))});
    }
    mending_ = true;
    for (auto& [name, of] : tallies_) {
        if (const auto before = tallies.find(name); before != tallies.end()) of.keys = before->second.keys;
    }
}

void audit::mend_group(const std::vector<item*>& group) {
    std::vector<item*> some;
    std::size_t elements = 0;
    for (auto* one : group) {
        const std::size_t size = std::min(size_of(one->second), staged_from);
        if (elements + size > elements_at_once && !some.empty()) {
            mend_at_once(std::exchange(some, {}));
            elements = 0;
        }
        some.push_back(one);
        elements += size;
    }
    if (!some.empty()) mend_at_once(some);
}

// Large sets and sorted sets are made beside, under another name; what is added to them meanwhile comes with the
// rename.
std::map<audit::item*, std::pair<std::string, named_sums>> audit::stage(const std::vector<item*>& some) {
    std::map<item*, std::pair<std::string, named_sums>> staged;
    for (auto* one : some) {
        const auto* members = std::get_if<named_sums>(&one->second.values);
        const content holds = one->second.what.holds;
        const bool large = holds == content::labels || holds == content::users_requests || holds == content::users_cost;
        if (!large || members->size() < staged_from) continue;
        const std::string name = settings_.redis.prefix + ":repair:" + run_ + ":" + std::to_string(staged.size());
        std::vector<command> commands{{"DEL", name}};
        words elements;
        const auto send = [&] {
            if (elements.empty()) return;
            command add{holds == content::labels ? "SADD" : "ZADD", name};
            add.insert(add.end(), elements.begin(), elements.end());
            commands.push_back(std::move(add));
            elements.clear();
        };
        for (const auto& [member, count] : *members) {
            add_member(elements, holds, member.text(), count);
            if (elements.size() >= 2 * members_at_once) send();
        }
        send();
        commands.push_back({"EXPIRE", name, std::string(staged_seconds)});
        redis_.ask(commands);
        staged[one] = {name, *members};
    }
    return staged;
}

void audit::mend_at_once(const std::vector<item*>& some) {
    const auto staged = stage(some);
    for (int tried = 0; tried < tries; ++tried) {
        if (how_.step) how_.step(stream_.entries(), report_.passes);
        catch_up(redis_.ask_at_once(state_commands()));
        words keys{keys_.meta(), keys_.usage_stream()};
        message_pack pack;
        const auto root = pack.open_array();
        pack.text(dataset_);
        pack.text(stream_.at().text());
        const auto operations = pack.open_array();
        for (auto* one : some) {
            const auto& [name, of] = *one;
            const auto times = *times_of(of.what, *when_, *periods_);
            const auto beside = staged.find(one);
            words elements;
            std::string stays;
            const auto numbers = expected_numbers(*one);
            const auto names = fields_of(of.what.holds);
            const bool any = std::any_of(numbers.begin(), numbers.end(), [](auto value) { return value != 0; });
            for (std::size_t i = 0; any && i < numbers.size(); ++i) {
                elements.emplace_back(names[i]);
                elements.push_back(std::to_string(numbers[i]));
            }
            if (const auto* user = std::get_if<user_sums>(&of.values)) {
                stays = "plan";
                if (any && !user->plan.empty()) elements.insert(elements.end(), {"plan", user->plan});
            } else if (const auto* active = std::get_if<hyperloglog>(&of.values)) {
                if (*active != hyperloglog{}) elements.push_back(active->to_string());
            } else if (const auto* named = std::get_if<named_sums>(&of.values)) {
                const named_sums members = of.what.holds == content::errors ? bounded(*named) : *named;
                for (const auto& [member, count] : members) {
                    if (beside != staged.end()) {
                        const auto old = beside->second.second.find(member);
                        if (old != beside->second.second.end() && old->second == count) continue;
                    }
                    add_member(elements, of.what.holds, member.text(), count);
                }
            }
            const auto operation = pack.open_array();
            keys.push_back(name);
            pack.text(type_of(of.what.holds));
            pack.integer(static_cast<std::int64_t>(keys.size()));
            if (beside != staged.end()) keys.push_back(beside->second.first);
            pack.integer(beside == staged.end() ? 0 : static_cast<std::int64_t>(keys.size()));
            pack.integer(times.expires);
            pack.text(stays);
            const auto list = pack.open_array();
            for (const auto& element : elements) pack.text(element);
            pack.close_array(list, elements.size());
            pack.close_array(operation, 6);
        }
        const bool totals =
            std::any_of(some.begin(), some.end(), [&](const item* one) { return one->first == keys_.total(); });
        if (totals) pack_removal(pack, keys, keys_.checkpoints());  // they copied the total while it was wrong
        pack.close_array(operations, some.size() + (totals ? 1 : 0));
        pack.close_array(root, 3);
        command run{"EVAL", std::string(repair_script), std::to_string(keys.size())};
        run.insert(run.end(), keys.begin(), keys.end());
        run.push_back(pack.take());
        const auto answer = redis_.ask({run}).front();
        const std::string what = answer.elements.empty() ? "" : answer.elements[0].text;
        if (what == "ok") return;
        if (what != "moved") throw command_problem{"the repair was refused: " + what};
    }
    throw command_problem{"more was shipped between any two looks at Redis: " + some.front()->first +
                          " was not repaired; run it again"};
}

}  // namespace tracking::store
