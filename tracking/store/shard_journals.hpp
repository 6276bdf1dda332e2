// Journals as the shards of a cluster see them: each shard's shipper reads the records of its users alone, at its own
// pace. A record is decoded once and waits in a short queue for its shard; a shard that falls behind (its node is away,
// or its data came back older) loses its queue, reads the journal by itself until it has caught up, and so holds up no
// other. A journal counts as shipped up to where every shard has passed. Control thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "tracking/journal/journal.hpp"
#include "tracking/store/record_metrics.hpp"

namespace tracking::store {

class split_journal;

class shard_journals {
public:
    // `counted`: gets each record of this process once, when it is first seen; null = nobody counts them.
    // `patience`: a shard that takes nothing for so long does not hold up the others.
    explicit shard_journals(journal::directory& whole, record_metrics* counted = nullptr,
                            std::chrono::milliseconds patience = std::chrono::milliseconds{250});
    ~shard_journals();

    // The number of shards is known: of() may be called.
    void divide(std::uint32_t shards);
    // What the shipper of a shard takes for its directory. Maintenance, syncing and what was lost are the whole's: here
    // they do nothing (but the first shard tells what was lost).
    journal::directory& of(std::uint32_t shard);
    // Tells the whole how far every shard has come. Called every 50 ms.
    void settle();
    // Records behind the first one that its shard has not applied, in all journals; as far as looking ahead has seen.
    std::uint64_t lag() const;
    // How long the oldest of them has been waiting.
    std::chrono::milliseconds waiting() const;
    void look_ahead(std::size_t most);

private:
    class part;
    std::shared_ptr<split_journal> split_of(const journal::journal_id& id);

    journal::directory& whole_;
    record_metrics* counted_;
    std::chrono::milliseconds patience_;
    std::uint32_t shards_ = 0;
    std::vector<std::unique_ptr<part>> parts_;
    std::map<journal::journal_id, std::shared_ptr<split_journal>> splits_;
    std::uint64_t adopted_ = 0;  // how often there were new journals of others
};

}  // namespace tracking::store
