// Waiting in tests: poll a condition with a cap. Used where no event of the thing under test can be awaited.
#pragma once

#include <chrono>
#include <thread>

namespace tests {

using std::chrono::milliseconds;
using clock = std::chrono::steady_clock;

// How long a test waits for what should come at once: long enough for a sanitizer build on a busy machine.
inline constexpr milliseconds patience{10'000};
// What "promptly" means in an assertion.
inline constexpr milliseconds prompt{2'000};

// True as soon as `condition()` is; false when it still is not after `cap`.
template <typename Condition>
bool eventually(Condition condition, milliseconds cap = patience) {
    for (const auto end = clock::now() + cap;;) {
        if (condition()) return true;
        if (clock::now() >= end) return false;
        std::this_thread::sleep_for(milliseconds(2));
    }
}

}  // namespace tests
