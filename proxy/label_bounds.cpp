#include "proxy/label_bounds.hpp"

#include <spdlog/spdlog.h>

namespace proxy {

void label_bounds::tell(std::int64_t day, std::atomic<std::int64_t>& told, const char* key) noexcept {
    auto last = told.load(std::memory_order_relaxed);
    if (day == last || day + 1 == last || !told.compare_exchange_strong(last, day)) return;
    spdlog::warn("{} is reached: what is new today is counted as \"other\", and its records keep the name", key);
}

}  // namespace proxy
