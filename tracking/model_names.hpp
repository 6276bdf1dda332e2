// The names under which a model may stand in a price list: as it was told first, then without the affixes that name a
// date, a version or a region. Pure functions; nothing is copied, every name is a part of the model's own.
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <string_view>

namespace tracking {

class model_names {
public:
    explicit model_names(std::string_view model);
    const std::string_view* begin() const { return names_.data(); }
    const std::string_view* end() const { return names_.data() + count_; }

private:
    void add(std::string_view name);
    void add_with_stems(std::string_view name);  // then without each of its suffixes, one after the other

    std::array<std::string_view, 32> names_;
    std::size_t count_ = 0;
};

// The prefix of a provider's ids: "together" -> "together_ai"; most are called like their provider.
std::string_view id_prefix(std::string_view provider);

// Prefixes of those who sell models of their own: an id of theirs is that model, whoever was asked for it. The last
// two sell those of many makers, under names of their own ("claude-sonnet-4@20250514", "anthropic/claude-3.5-sonnet").
std::span<const std::string_view> maker_prefixes();

}  // namespace tracking
