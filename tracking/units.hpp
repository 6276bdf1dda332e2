// What providers bill beside tokens: seconds of audio, images, pages, searches, characters. Absent = nobody told.
#pragma once

#include <cstdint>
#include <optional>

namespace tracking {

struct unit_counts {
    std::optional<std::int64_t> audio_ms{};      // of audio heard or spoken, in ms
    std::optional<std::int64_t> images{};        // generated
    std::optional<std::int64_t> pages{};         // read (OCR)
    std::optional<std::int64_t> search_units{};  // rerank: one query with up to 100 documents
    std::optional<std::int64_t> web_searches{};  // made by the provider for the answer
    std::optional<std::int64_t> characters{};    // of text spoken

    bool any() const noexcept { return audio_ms || images || pages || search_units || web_searches || characters; }
    friend bool operator==(const unit_counts&, const unit_counts&) = default;
};

}  // namespace tracking
