// Ships journals to Redis: reads behind the writers, makes atomic batches, applies each with one compare-and-set
// script, and after every connect goes on from the position that Redis itself states. Control thread; no request
// ever waits for it.
#pragma once

#include <array>
#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "conf/config.hpp"
#include "tracking/clock.hpp"
#include "tracking/journal/journal.hpp"
#include "tracking/store/calendar.hpp"
#include "tracking/store/keys.hpp"
#include "tracking/store/record_metrics.hpp"
#include "tracking/store/redis_client.hpp"

namespace tracking::store {

// A batch takes Redis a few ms; up to the deadline of a command.
inline constexpr std::array<std::int64_t, 12> apply_bounds_us{500,    1'000,   2'500,   5'000,   10'000,    25'000,
                                                              50'000, 100'000, 250'000, 500'000, 1'000'000, 5'000'000};

struct shipper_state {
    bool connected = false;
    std::string redis;          // "connected", or the last error
    std::string warning{};      // connected, but exactness cannot be promised, and why; "" = it can
    std::uint64_t shipped = 0;  // records applied since the start
    std::uint64_t lag = 0;      // records read or written but not yet applied
    std::uint64_t batches = 0;
    std::uint64_t refused = 0;             // batches that Redis refused (OOM, WRONGTYPE, ...) and that wait
    std::uint64_t connections_lost = 0;    // and those that could not be made
    std::uint64_t shipped_for_others = 0;  // records of them that dead processes have left
    bounded_histogram apply_us{};          // from sending a batch to its answer
    std::chrono::milliseconds waiting{0};  // how long the oldest record of `lag` has been
};

// Whoever brings the journals to Redis: one shipper, or one for each shard of a cluster (cluster_shipper.hpp).
class shipping {
public:
    virtual ~shipping() = default;

    // Runs until stop(); never throws. Also calls journals.maintain(), and journals.sync() when configured.
    virtual boost::asio::awaitable<void> run() = 0;
    // Ships what is there until all is applied or the deadline is over; true = nothing is left.
    virtual boost::asio::awaitable<bool> flush(std::chrono::milliseconds deadline) = 0;
    virtual void stop() = 0;
    virtual shipper_state current() const = 0;
};

class shipper final : public shipping {
public:
    struct parts {
        boost::asio::any_io_executor executor;
        const conf::settings& settings;
        journal::directory& journals;
        const calendar& when;
        const time_source& clock;
        std::function<std::string()> redis_url;  // asked before each connect (the embedded server may move)
        std::function<bool()> redis_starts{};    // true = it is being started, and is not to be asked yet
        std::string data_set_file;               // data_dir/data-set: the data set id last seen
        record_metrics* metrics = nullptr;       // gets each record of this process, once; must outlive the shipper
        std::string name{};                      // of the shard, for log lines; "" = there is but one Redis
        std::uint32_t shards = 0;                // that the data set must have; 0 = it is not divided
    };
    explicit shipper(parts with);
    ~shipper() override;

    boost::asio::awaitable<void> run() override;
    boost::asio::awaitable<bool> flush(std::chrono::milliseconds deadline) override;
    void stop() override;
    shipper_state current() const override;
    bool connected() const;  // of current(), for who asks often

private:
    struct impl;
    std::shared_ptr<impl> impl_;
};

}  // namespace tracking::store
