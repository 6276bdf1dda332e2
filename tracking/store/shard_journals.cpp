#include "tracking/store/shard_journals.hpp"

#include <algorithm>

#include "tracking/store/backlog_age.hpp"
#include "tracking/store/shards.hpp"

namespace tracking::store {

using journal::entry;
using journal::journal_id;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

namespace {

constexpr std::size_t chunk = 250;          // records that are read at once for all shards
constexpr std::size_t queue_most = 512;     // of one shard; a chunk must fit
constexpr std::size_t passed_most = 5'000;  // records that one call looks at, so that control has its turn

// Entries that wait. Their strings keep their room, so that a copy allocates nothing.
class entry_queue {
public:
    std::size_t size() const { return size_; }
    const entry& front() const { return slots_[first_]; }
    void push(const entry& one) {
        if (slots_.size() < queue_most && size_ == slots_.size()) {
            std::rotate(slots_.begin(), slots_.begin() + static_cast<std::ptrdiff_t>(first_), slots_.end());
            first_ = 0;
            slots_.emplace_back();
        }
        slots_[(first_ + size_) % slots_.size()] = one;
        ++size_;
    }
    void pop() {
        first_ = (first_ + 1) % slots_.size();
        --size_;
    }
    void clear() {
        size_ = 0;
        std::vector<entry>().swap(slots_);
        first_ = 0;
    }

private:
    std::vector<entry> slots_;
    std::size_t first_ = 0, size_ = 0;
};

}  // namespace

// One journal, and where each shard is in it.
class split_journal {
public:
    split_journal(journal::directory& whole, const journal_id& id, record_metrics* counted, milliseconds patience)
        : whole_(whole), id_(id), counted_(counted), patience_(patience), reader_(whole.read(id)) {}
    void divide(std::uint32_t shards) { places_ = std::vector<place>(shards); }

    std::size_t each(std::uint32_t shard, std::size_t most, const journal::reader::visitor& take);
    void seek(std::uint32_t shard, std::uint64_t sequence);
    void applied(std::uint32_t shard, std::uint64_t sequence) { places_[shard].applied = sequence; }
    bool at_end(std::uint32_t shard) const { return places_[shard].at_end; }
    // Every shard has applied what it has up to here.
    std::uint64_t passed() const;

    void settled(std::uint64_t passed) {
        age_.applied(passed);
        if (ahead_at_ <= read_) ahead_.reset();  // it would hold its segment for nothing
    }

    std::uint64_t lag() const { return seen_ > passed() ? seen_ - passed() : 0; }
    std::optional<backlog_age::time_point> waiting_since() const {
        return lag() > 0 ? age_.since(passed()) : std::nullopt;
    }
    void look_ahead(std::size_t most);

private:
    // A shard follows while its queue holds all of its records between the last one handed out and where reader_ is.
    struct place {
        bool follows = true;
        entry_queue queue;
        std::uint64_t handed = 0, applied = 0;
        std::unique_ptr<journal::reader> own;  // when it does not follow, with how far it has looked
        std::uint64_t looked = 0;
        bool at_end = false;  // the last call found all there is
        steady_clock::time_point took = steady_clock::now();
    };

    bool read_on();
    std::size_t catch_up(std::uint32_t shard, std::size_t most, const journal::reader::visitor& take);
    static void leave(place& one, std::uint64_t behind);
    void note_seen(const entry& one);

    journal::directory& whole_;
    journal_id id_;
    record_metrics* counted_;
    milliseconds patience_;
    backlog_age age_;
    std::unique_ptr<journal::reader> reader_, ahead_;
    std::uint64_t read_ = 0, seen_ = 0, ahead_at_ = 0;  // sequences
    std::vector<place> places_;
};

void split_journal::leave(place& one, std::uint64_t behind) {
    one.follows = false;
    one.queue.clear();
    one.own.reset();
    one.looked = behind;
}

// The next records, each to its shard. False = there are none, or somebody has no room for them yet.
bool split_journal::read_on() {
    const auto now = steady_clock::now();
    for (auto& one : places_) {
        if (!one.follows || one.queue.size() + chunk <= queue_most) continue;
        if (now - one.took < patience_) return false;
        leave(one, one.handed);
    }
    const auto shards = static_cast<std::uint32_t>(places_.size());
    const std::uint64_t before = seen_;
    const std::size_t count = reader_->each(chunk, [&](const entry& one) {
        place& of = places_[shard_of(one.what.user_id, shards)];
        if (of.follows && one.sequence > of.handed) of.queue.push(one);
        read_ = std::max(read_, one.sequence);
        note_seen(one);
    });
    if (seen_ > before) age_.seen(before + 1, now);
    return count > 0;
}

// Looking ahead may have seen it before.
void split_journal::note_seen(const entry& one) {
    if (one.sequence <= seen_) return;
    seen_ = one.sequence;
    if (counted_ != nullptr) counted_->count(one.what);
}

std::size_t split_journal::each(std::uint32_t shard, std::size_t most, const journal::reader::visitor& take) {
    place& mine = places_[shard];
    mine.took = steady_clock::now();
    mine.at_end = !reader_;
    if (!reader_) return 0;
    std::size_t count = 0;
    if (!mine.follows) {
        count = catch_up(shard, most, take);
        if (!mine.follows) return count;
    }
    for (std::size_t looked = 0; count < most && looked < passed_most; looked += chunk) {
        for (; count < most && mine.queue.size() > 0; ++count) {
            take(mine.queue.front());
            mine.handed = mine.queue.front().sequence;
            mine.queue.pop();
        }
        if (count == most || read_on()) continue;
        mine.at_end = reader_->at_end() && mine.queue.size() == 0 &&
                      std::none_of(places_.begin(), places_.end(), [](const place& one) {
                          return one.follows && one.queue.size() + chunk > queue_most;
                      });
        break;
    }
    return count;
}

// Alone, up to where the others are; then it follows again.
std::size_t split_journal::catch_up(std::uint32_t shard, std::size_t most, const journal::reader::visitor& take) {
    place& mine = places_[shard];
    if (!mine.own) {
        mine.own = whole_.read(id_);
        if (mine.own) mine.own->seek(mine.looked);
    }
    const auto shards = static_cast<std::uint32_t>(places_.size());
    std::size_t count = 0, looked = 0;
    while (mine.looked < read_ && count < most && looked < passed_most) {
        const std::size_t found =
            mine.own ? mine.own->each(std::min(chunk, most - count),
                                      [&](const entry& one) {
                                          mine.looked = one.sequence;
                                          // What lies behind read_ comes with the others' records again.
                                          if (one.sequence > read_ || shard_of(one.what.user_id, shards) != shard)
                                              return;
                                          take(one);
                                          mine.handed = one.sequence;
                                          ++count;
                                      })
                     : 0;
        looked += found;
        if (found > 0) continue;
        if (mine.own && !mine.own->at_end()) break;  // it cannot be read for now
        mine.looked = read_;
    }
    if (mine.looked >= read_) {
        mine.follows = true;
        mine.own.reset();
    }
    return count;
}

// Redis holds the shard's records up to `sequence`.
void split_journal::seek(std::uint32_t shard, std::uint64_t sequence) {
    place& mine = places_[shard];
    mine.at_end = false;
    if (mine.follows && sequence >= mine.handed) {
        while (mine.queue.size() > 0 && mine.queue.front().sequence <= sequence) mine.queue.pop();
    } else if (sequence < read_) {
        leave(mine, sequence);
    } else {
        mine.follows = true;
        mine.queue.clear();
        mine.own.reset();
    }
    mine.handed = mine.applied = sequence;
}

std::uint64_t split_journal::passed() const {
    std::uint64_t least = read_;  // 0 before the shards are known
    for (const auto& one : places_) {
        std::uint64_t upto = one.applied;
        if (one.applied >= one.handed) {  // nothing is under way: whatever lies before its next record is passed
            upto = one.follows ? one.queue.size() > 0 ? one.queue.front().sequence - 1 : read_ : one.looked;
        }
        least = std::min(least, upto);
    }
    return least;
}

void split_journal::look_ahead(std::size_t most) {
    if (!ahead_ || ahead_at_ < read_) {
        ahead_ = reader_ ? reader_->copy() : nullptr;
        ahead_at_ = read_;
    }
    if (!ahead_) return;
    const std::uint64_t before = seen_;
    if (counted_ != nullptr) {
        ahead_->each(most, [this](const entry& one) {
            ahead_at_ = one.sequence;
            note_seen(one);
        });
    } else {
        ahead_at_ = std::max(ahead_at_, ahead_->pass(most));
        seen_ = std::max(seen_, ahead_at_);
    }
    if (seen_ > before) age_.seen(before + 1, steady_clock::now());
}

// ---- One shard's view of the directory -----------------------------------------------------------------------------

namespace {

class shard_reader final : public journal::reader {
public:
    shard_reader(const journal_id& id, std::shared_ptr<split_journal> of, std::uint32_t shard)
        : id_(id), of_(std::move(of)), shard_(shard) {}
    const journal_id& id() const override { return id_; }
    std::size_t each(std::size_t most, const visitor& take) override { return of_->each(shard_, most, take); }
    std::uint64_t pass(std::size_t) override { return 0; }  // the lag is that of all shards: shard_journals::lag()
    void seek(std::uint64_t sequence) override { of_->seek(shard_, sequence); }
    std::unique_ptr<journal::reader> copy() const override { return nullptr; }
    bool dense() const override { return false; }
    bool at_end() const override { return of_->at_end(shard_); }

private:
    journal_id id_;
    std::shared_ptr<split_journal> of_;
    std::uint32_t shard_;
};

}  // namespace

class shard_journals::part final : public journal::directory {
public:
    part(shard_journals& all, std::uint32_t shard) : all_(all), shard_(shard) {}

    journal::writer& writer_of(std::uint32_t worker) override { return all_.whole_.writer_of(worker); }
    std::vector<journal_id> journals() const override { return all_.whole_.journals(); }
    bool is_own(const journal_id& id) const override { return all_.whole_.is_own(id); }
    std::unique_ptr<journal::reader> read(const journal_id& id) override {
        return std::make_unique<shard_reader>(id, all_.split_of(id), shard_);
    }
    void shipped(const journal_id& id, std::uint64_t sequence) override {
        all_.split_of(id)->applied(shard_, sequence);
    }
    bool adopt_ended() override {
        if (all_.whole_.adopt_ended()) ++all_.adopted_;
        const bool news = adopted_ != all_.adopted_;
        adopted_ = all_.adopted_;
        return news;
    }
    void maintain(std::int64_t) override {}
    void sync() override {}
    journal::state current() const override {
        auto state = all_.whole_.current();
        if (shard_ > 0) state.lost = 0;
        return state;
    }

private:
    shard_journals& all_;
    std::uint32_t shard_;
    std::uint64_t adopted_ = 0;
};

shard_journals::shard_journals(journal::directory& whole, record_metrics* counted, milliseconds patience)
    : whole_(whole), counted_(counted), patience_(patience) {}
shard_journals::~shard_journals() = default;

void shard_journals::divide(std::uint32_t shards) {
    shards_ = shards;
    for (std::uint32_t shard = 0; shard < shards; ++shard) parts_.push_back(std::make_unique<part>(*this, shard));
    for (const auto& [id, split] : splits_) split->divide(shards);
}

journal::directory& shard_journals::of(std::uint32_t shard) { return *parts_.at(shard); }

std::shared_ptr<split_journal> shard_journals::split_of(const journal_id& id) {
    auto& found = splits_[id];
    if (!found) {
        found = std::make_shared<split_journal>(whole_, id, whole_.is_own(id) ? counted_ : nullptr, patience_);
        found->divide(shards_);
    }
    return found;
}

void shard_journals::settle() {
    if (shards_ == 0) return;
    const auto ids = whole_.journals();
    std::erase_if(splits_, [&](const auto& one) { return std::find(ids.begin(), ids.end(), one.first) == ids.end(); });
    for (const auto& [id, split] : splits_) {
        const auto passed = split->passed();
        split->settled(passed);
        whole_.shipped(id, passed);
    }
}

std::uint64_t shard_journals::lag() const {
    std::uint64_t sum = 0;
    for (const auto& [id, split] : splits_) sum += split->lag();
    return sum;
}

milliseconds shard_journals::waiting() const {
    milliseconds longest{0};
    for (const auto& [id, split] : splits_) {
        const auto since = split->waiting_since();
        if (since) longest = std::max(longest, std::chrono::duration_cast<milliseconds>(steady_clock::now() - *since));
    }
    return longest;
}

// Before the shards are known, only what this process itself writes is of interest.
void shard_journals::look_ahead(std::size_t most) {
    for (const auto& id : whole_.journals()) {
        if (shards_ > 0 || whole_.is_own(id)) split_of(id)->look_ahead(most);
    }
}

}  // namespace tracking::store
