#include "tracking/store/snapshot.hpp"

#include <charconv>

#include "tracking/store/counting.hpp"
#include "tracking/store/scripts.hpp"

namespace tracking::store {

namespace {

std::int64_t number_in(std::string_view text) {
    std::int64_t value = 0;
    std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
}

std::int64_t number_in(const reply& from) {
    return from.kind == reply::type::integer ? from.integer : number_in(from.text);
}

// billions and the rest, as the script adds them up
std::int64_t joined(std::int64_t billions, std::int64_t rest) {
    std::int64_t product = 0;
    if (__builtin_mul_overflow(billions, std::int64_t{1'000'000'000}, &product)) {
        return billions < 0 ? INT64_MIN : INT64_MAX;
    }
    return saturating_sum(product, rest);
}

}  // namespace

std::size_t snapshot_questions::hash(const std::string& key, const std::vector<std::string>& fields) {
    const auto place = pack_.open_array();
    pack_.text("hash");
    pack_.text(key);
    for (const auto& field : fields) pack_.text(field);
    pack_.close_array(place, 2 + fields.size());
    return count_++;
}

std::size_t snapshot_questions::labels(const std::string& period_key, const std::string& kind,
                                       const std::vector<std::string>& fields) {
    const auto place = pack_.open_array();
    pack_.text("labels");
    pack_.text(period_key);
    pack_.text(kind);
    for (const auto& field : fields) pack_.text(field);
    pack_.close_array(place, 3 + fields.size());
    return count_++;
}

std::size_t snapshot_questions::stream(const std::string& key) {
    const auto place = pack_.open_array();
    pack_.text("stream");
    pack_.text(key);
    pack_.close_array(place, 2);
    return count_++;
}

command snapshot_questions::script() const {
    message_pack all;
    const auto place = all.open_array();
    all.raw(pack_);
    all.close_array(place, count_);
    return {"EVAL", std::string(snapshot_script), "0", all.take()};
}

const reply* snapshot::answer(std::size_t question) const {
    return question < answers_.elements.size() ? &answers_.elements[question] : nullptr;
}

std::int64_t snapshot::hashes(std::size_t question) const {
    const auto* of = answer(question);
    return of && !of->elements.empty() ? of->elements[0].integer : 0;
}

std::vector<std::int64_t> snapshot::sums(std::size_t question) const {
    std::vector<std::int64_t> values;
    const auto* of = answer(question);
    for (std::size_t i = 1; of && i + 1 < of->elements.size(); i += 2) {
        values.push_back(joined(number_in(of->elements[i]), number_in(of->elements[i + 1])));
    }
    return values;
}

stream_state snapshot::stream(std::size_t question) const {
    const auto* of = answer(question);
    if (!of || of->elements.size() != 3) return {};
    return {number_in(of->elements[0]), number_in(of->elements[2]), of->elements[1].text};
}

}  // namespace tracking::store
