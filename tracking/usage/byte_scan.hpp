// Finds the next byte of interest in a body, 16 bytes at a time where the machine can. Called by json_scanner and
// event_stream, whose cost these loops are; they never read beyond `end`.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace tracking::usage {

// Where a JSON string may end or change: the first `"` or `\`; `end` when there is none.
inline const char* find_string_mark(const char* p, const char* end) noexcept {
#if defined(__SSE2__)
    const __m128i quote = _mm_set1_epi8('"');
    const __m128i slash = _mm_set1_epi8('\\');
    for (; end - p >= 16; p += 16) {
        const __m128i v = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
        const int hits = _mm_movemask_epi8(_mm_or_si128(_mm_cmpeq_epi8(v, quote), _mm_cmpeq_epi8(v, slash)));
        if (hits != 0) return p + std::countr_zero(static_cast<unsigned>(hits));
    }
#endif
    while (p != end && *p != '"' && *p != '\\') ++p;
    return p;
}

// The first byte that changes the depth of a JSON value or opens a string: one of `{ } [ ] "`.
inline const char* find_structure(const char* p, const char* end) noexcept {
#if defined(__SSE2__)
    const __m128i quote = _mm_set1_epi8('"');
    const __m128i open = _mm_set1_epi8('{');
    const __m128i close = _mm_set1_epi8('}');
    const __m128i fold = _mm_set1_epi8(0x20);  // '[' and ']' differ from '{' and '}' in this bit only
    for (; end - p >= 16; p += 16) {
        const __m128i v = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
        const __m128i folded = _mm_or_si128(v, fold);
        const __m128i braces = _mm_or_si128(_mm_cmpeq_epi8(folded, open), _mm_cmpeq_epi8(folded, close));
        const int hits = _mm_movemask_epi8(_mm_or_si128(braces, _mm_cmpeq_epi8(v, quote)));
        if (hits != 0) return p + std::countr_zero(static_cast<unsigned>(hits));
    }
#endif
    while (p != end && *p != '"' && (*p | 0x20) != '{' && (*p | 0x20) != '}') ++p;
    return p;
}

// JSON's white space, and other control bytes.
inline bool is_blank(char c) noexcept { return static_cast<unsigned char>(c) <= 0x20; }

// The first byte that is not blank.
inline const char* skip_blank(const char* p, const char* end) noexcept {
    if (p != end && !is_blank(*p)) return p;
#if defined(__SSE2__)
    const __m128i least = _mm_set1_epi8(0x21);
    for (; end - p >= 16; p += 16) {
        const __m128i v = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
        const int hits = _mm_movemask_epi8(_mm_cmpeq_epi8(_mm_max_epu8(v, least), v));
        if (hits != 0) return p + std::countr_zero(static_cast<unsigned>(hits));
    }
#endif
    while (p != end && is_blank(*p)) ++p;
    return p;
}

// The end of a line of an event stream: CR or LF.
inline const char* find_line_end(const char* p, const char* end) noexcept {
#if defined(__SSE2__)
    const __m128i lf = _mm_set1_epi8('\n');
    const __m128i cr = _mm_set1_epi8('\r');
    for (; end - p >= 16; p += 16) {
        const __m128i v = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
        const int hits = _mm_movemask_epi8(_mm_or_si128(_mm_cmpeq_epi8(v, lf), _mm_cmpeq_epi8(v, cr)));
        if (hits != 0) return p + std::countr_zero(static_cast<unsigned>(hits));
    }
#endif
    while (p != end && *p != '\n' && *p != '\r') ++p;
    return p;
}

inline bool is_ascii(const char* p, const char* end) noexcept {
#if defined(__SSE2__)
    for (; end - p >= 16; p += 16) {
        if (_mm_movemask_epi8(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))) != 0) return false;
    }
#endif
    for (; p != end; ++p) {
        if (static_cast<unsigned char>(*p) >= 0x80) return false;
    }
    return true;
}

}  // namespace tracking::usage
