// Ships journals to a Redis Cluster: a shipper for each shard, each with its own connection, positions and pace, over
// one reading of the journals (shard_journals). Control thread.
#pragma once

#include <memory>

#include "tracking/store/shipper.hpp"

namespace tracking::store {

class cluster_shipper final : public shipping {
public:
    explicit cluster_shipper(shipper::parts with);
    ~cluster_shipper() override;

    boost::asio::awaitable<void> run() override;
    boost::asio::awaitable<bool> flush(std::chrono::milliseconds deadline) override;
    void stop() override;
    // connected = every shard is; redis = "connected", or which shards are not and the first one's error; lag and
    // waiting: see shard_journals.
    shipper_state current() const override;

private:
    struct impl;
    std::shared_ptr<impl> impl_;
};

// The one that the address asks for.
std::unique_ptr<shipping> make_shipping(shipper::parts with);

}  // namespace tracking::store
