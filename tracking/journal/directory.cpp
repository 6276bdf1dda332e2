// The journals under data_dir/journal: opens, recovers, maintains. Control thread.
#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <map>
#include <set>
#include <system_error>

#include "tracking/clock.hpp"
#include "tracking/folder_lock.hpp"
#include "tracking/journal/cursor.hpp"
#include "tracking/journal/data_lock.hpp"
#include "tracking/journal/own_journal.hpp"
#include "tracking/journal/recovery.hpp"

namespace tracking::journal {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t notes_max = 100;
constexpr std::uint64_t segment_bytes_max = 1024ULL * 1024 * 1024;
constexpr std::chrono::milliseconds retry_pause_min = std::chrono::seconds(1),
                                    retry_pause_max = std::chrono::minutes(1);

bool parse_id(std::string_view text, journal_id& id) {
    if (text.size() != 2 * id.size()) return false;
    const auto digit = [](char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1; };
    for (std::size_t i = 0; i < id.size(); ++i) {
        const int high = digit(text[2 * i]);
        const int low = digit(text[2 * i + 1]);
        if (high < 0 || low < 0) return false;
        id[i] = static_cast<std::uint8_t>(high << 4 | low);
    }
    return true;
}

bool random_id(journal_id& id) { return ::getrandom(id.data(), id.size(), 0) == static_cast<ssize_t>(id.size()); }

class journals_on_disk final : public directory {
public:
    journals_on_disk(std::string data_dir, bool read_only) : root_(data_dir + "/journal"), read_only_(read_only) {}

    std::string lock(const options& how) {
        return how.data_lock < 0 ? lock_.take(how.data_dir) : lock_.take_over(how.data_dir, how.data_lock);
    }
    std::string start_writing(const options& how);
    void find_for_reading();

    writer& writer_of(std::uint32_t worker) override {
        assert(worker < own_.size());
        return own_[worker]->writing();
    }
    std::vector<journal_id> journals() const override;
    bool is_own(const journal_id& id) const override;
    std::unique_ptr<reader> read(const journal_id& id) override;
    void maintain(std::int64_t now_ms) override;
    void keep_shipped(bool all) override { keep_all_ = all; }
    void shipped(const journal_id& id, std::uint64_t sequence) override;
    bool adopt_ended() override;
    void expect_ended() override { looking_ = true; }
    int lock_descriptor() const override { return lock_.descriptor(); }
    void name_holder(int process) override { lock_.name_holder(process); }
    void let_go_of_lock() override { lock_.let_go(); }
    void sync() override;
    state current() const override;

private:
    using segments = std::vector<std::shared_ptr<segment>>;
    // The journals that have a folder.
    std::vector<std::pair<journal_id, std::string>> folders(std::error_code& failed) const;
    bool adopt(const journal_id& id, const std::string& folder);
    bool waits_to_be_read(const journal_id& id) const;
    void try_again_later(const journal_id& id, std::string why);
    void add_other(recovered found);
    void sort_others();
    void leave_for_now(const std::string& folder);
    void note(std::string text);
    void drop(const segments& gone, own_journal* of);
    void expire(std::int64_t now_ms);
    bool evict();
    std::shared_ptr<chain> find(const journal_id& id) const;
    std::vector<std::pair<std::shared_ptr<chain>, own_journal*>> all() const;

    const std::string root_;
    const bool read_only_;
    data_lock lock_;
    bool looking_ = true;             // there may be journals to adopt
    std::set<journal_id> looked_at_;  // own ones, and those that were adopted or set aside
    // Those that could not be read. Each look reads them anew, so that it is taken ever more seldom.
    struct retry {
        std::chrono::milliseconds pause{0};
        std::chrono::steady_clock::time_point at{};
    };
    std::map<journal_id, retry> unread_;
    std::uint64_t elsewhere_ = 0;  // bytes of journals that other processes hold, and of unread ones
    std::map<journal_id, folder_lock> adopted_;
    std::int64_t keep_ms_ = 0;
    bool keep_all_ = false;
    std::uint64_t size_ = 0;
    std::uint64_t beginning_ = 0;  // bytes that a process begins with
    std::unique_ptr<budget> room_;
    std::vector<std::unique_ptr<own_journal>> own_;
    std::vector<std::shared_ptr<chain>> others_;  // of dead processes, oldest first
    std::uint64_t other_bytes_ = 0;               // when there is no budget: read only
    std::uint64_t damaged_before_ = 0;            // in journals that are gone
    std::vector<std::string> notes_;
    std::string problem_;  // the last one of making a segment
    bool syncing_ = false;
};

std::string journals_on_disk::start_writing(const options& how) {
    const std::uint64_t smallest = std::uint64_t{2} * how.writers * own_journal::segment_bytes_min;
    if (how.writers == 0 || how.size < smallest)
        return "journal.size is too small: " + std::to_string(how.writers) + " workers need at least " +
               std::to_string(smallest) + " bytes";
    const std::uint64_t fair =
        std::max<std::uint64_t>(how.size / (std::uint64_t{4} * how.writers), own_journal::segment_bytes_min);
    const std::uint64_t wanted = std::min({how.segment_bytes, fair, segment_bytes_max});
    const auto bytes =
        static_cast<std::uint32_t>(std::max<std::uint64_t>(wanted, own_journal::segment_bytes_min) / 4096 * 4096);
    keep_ms_ = how.keep_ms;
    size_ = how.size;
    beginning_ = std::uint64_t{2} * how.writers * bytes;
    room_ = std::make_unique<budget>(how.size, how.writers, bytes);

    std::error_code ec;
    fs::create_directories(root_, ec);
    if (ec) return "journal folder " + root_ + " cannot be created: " + ec.message();
    adopt_ended();
    for (std::uint32_t worker = 0; worker < how.writers; ++worker) {
        journal_id id;
        if (!random_id(id)) return "no random bits for a journal's name";
        looked_at_.insert(id);
        auto segments = std::make_shared<chain>(id, root_ + "/" + to_text(id), true);
        own_.push_back(std::make_unique<own_journal>(std::move(segments), worker, bytes, *room_));
    }
    for (const auto& each : own_) {
        int error = 0;
        // A full disk is no reason not to start: control tries again, and until then losses are counted.
        if (each->prepare(steady_ms(system_time{}.steady()), error) == own_journal::need::disk && error != ENOSPC &&
            error != EDQUOT && error != EFBIG)
            return "journal " + each->segments().folder() +
                   " is not writable: " + std::generic_category().message(error);
    }
    return {};
}

std::vector<std::pair<journal_id, std::string>> journals_on_disk::folders(std::error_code& failed) const {
    std::vector<std::pair<journal_id, std::string>> found;
    for (fs::directory_iterator at(root_, failed), end; !failed && at != end; at.increment(failed)) {
        journal_id id;
        if (parse_id(at->path().filename().string(), id)) found.emplace_back(id, at->path().string());
    }
    return found;
}

void journals_on_disk::find_for_reading() {
    std::error_code failed;
    for (const auto& [id, folder] : folders(failed)) {
        recovered found = recover(id, folder, true, folder_lock::is_taken(folder));
        if (found.unread) found.note += "; it is left alone";
        add_other(std::move(found));
    }
    if (failed && failed != std::errc::no_such_file_or_directory) throw std::system_error(failed, root_);
    sort_others();
}

// One process at a time adopts, so that of two heirs only one takes a journal.
bool journals_on_disk::adopt_ended() {
    if (!looking_) return false;
    folder_lock turn;
    if (turn.take(root_) != 0) return false;
    looking_ = false;
    bool any = false;
    elsewhere_ = 0;
    std::error_code failed;
    for (const auto& [id, folder] : folders(failed))
        if (!looked_at_.contains(id)) any |= adopt(id, folder);
    looking_ |= failed.value() != 0;
    room_->set_elsewhere(elsewhere_);
    if (any) sort_others();
    return any;
}

bool journals_on_disk::adopt(const journal_id& id, const std::string& folder) {
    folder_lock lock;
    const int failed = waits_to_be_read(id) ? EAGAIN : lock.take(folder);
    if (failed != 0) {
        if (failed != ENOENT) leave_for_now(folder);
        return false;
    }
    lock.only_keep();
    recovered found = recover(id, folder, false, false);
    if (found.unread) {
        try_again_later(id, std::move(found.note));
        leave_for_now(folder);
        return false;
    }
    unread_.erase(id);
    looked_at_.insert(id);
    const std::size_t before = others_.size();
    add_other(std::move(found));
    if (others_.size() == before) return false;
    adopted_.emplace(id, std::move(lock));
    return true;
}

bool journals_on_disk::waits_to_be_read(const journal_id& id) const {
    const auto found = unread_.find(id);
    return found != unread_.end() && system_time{}.steady() < found->second.at;
}

void journals_on_disk::try_again_later(const journal_id& id, std::string why) {
    const auto [found, first_time] = unread_.try_emplace(id);
    if (first_time) return note(std::move(why) + "; it is tried again");
    retry& next = found->second;
    next.pause = std::clamp(2 * next.pause, retry_pause_min, retry_pause_max);
    next.at = system_time{}.steady() + next.pause;
}

// Its files count all the same: journal.size is for all of them, but for what each writer is guaranteed.
void journals_on_disk::leave_for_now(const std::string& folder) {
    looking_ = true;
    std::error_code ec;
    for (fs::directory_iterator at(folder, ec), end; !ec && at != end; at.increment(ec)) {
        std::error_code gone;
        const auto size = at->file_size(gone);
        if (!gone) elsewhere_ += size;
    }
}

void journals_on_disk::add_other(recovered found) {
    if (!found.note.empty()) note(std::move(found.note));
    other_bytes_ += found.bytes;
    if (room_) room_->add(found.bytes);
    if (!found.segments) return;
    // Nothing in it that could be shipped: not worth keeping.
    const auto& tail = found.segments->dead_tail();
    if (!read_only_ && tail.last_sequence == 0 && tail.interrupted.empty()) {
        damaged_before_ += found.segments->damaged();
        drop(found.segments->evict(false), nullptr);
        ::rmdir(found.segments->folder().c_str());
    } else if (!found.segments->gone()) {
        others_.push_back(std::move(found.segments));
    }
}

void journals_on_disk::sort_others() {
    std::sort(others_.begin(), others_.end(), [](const auto& a, const auto& b) {
        return std::pair(a->dead_tail().created_ms, a->id()) < std::pair(b->dead_tail().created_ms, b->id());
    });
}

std::vector<std::pair<std::shared_ptr<chain>, own_journal*>> journals_on_disk::all() const {
    std::vector<std::pair<std::shared_ptr<chain>, own_journal*>> list;
    for (const auto& each : own_) list.emplace_back(each->shared_segments(), each.get());
    for (const auto& each : others_) list.emplace_back(each, nullptr);
    return list;
}

std::vector<journal_id> journals_on_disk::journals() const {
    std::vector<journal_id> ids;
    for (const auto& [segments, own] : all()) ids.push_back(segments->id());
    return ids;
}

std::shared_ptr<chain> journals_on_disk::find(const journal_id& id) const {
    for (const auto& [segments, own] : all())
        if (segments->id() == id) return segments;
    return nullptr;
}

bool journals_on_disk::is_own(const journal_id& id) const {
    const auto found = find(id);
    return found && found->own();
}

std::unique_ptr<reader> journals_on_disk::read(const journal_id& id) {
    auto found = find(id);
    if (!found) found = std::make_shared<chain>(id, root_ + "/" + to_text(id), false);  // reads as empty
    return std::make_unique<cursor>(std::move(found));
}

void journals_on_disk::shipped(const journal_id& id, std::uint64_t sequence) {
    if (const auto found = find(id)) found->shipped(sequence);
}

void journals_on_disk::maintain(std::int64_t now_ms) {
    if (read_only_) return;
    for (const auto& [segments, own] : all())
        if (std::string problem = segments->take_problem(); !problem.empty()) note(std::move(problem));
    if (!keep_all_) expire(now_ms);
    // The process after this one must find room to begin with: until it has asked Redis, it can let go of nothing.
    while (room_->total() + beginning_ > size_ && evict()) {
    }
    for (const auto& each : own_) {
        each->tidy();
        int error = 0;
        // Keeping shipped records is worth less than losing new ones: `keep` gives way when there is no room.
        auto lacking = each->prepare(now_ms, error);
        while (lacking != own_journal::need::nothing && evict()) {
            each->room_was_made();
            lacking = each->prepare(now_ms, error);
        }
        if (lacking == own_journal::need::room) problem_ = "journal.size is used up";
        if (lacking == own_journal::need::disk) problem_ = std::generic_category().message(error);
    }
}

void journals_on_disk::expire(std::int64_t now_ms) {
    for (const auto& [segments, own] : all()) drop(segments->expire(now_ms, keep_ms_, syncing_), own);
    std::erase_if(others_, [this](const auto& each) {
        if (!each->gone()) return false;
        damaged_before_ += each->damaged();
        ::rmdir(each->folder().c_str());  // stays when something in it was set aside
        adopted_.erase(each->id());
        return true;
    });
}

// Removes what has been in Redis longest; false = nothing may go.
bool journals_on_disk::evict() {
    std::shared_ptr<chain> oldest;
    own_journal* owner = nullptr;
    std::int64_t since = 0;
    for (const auto& [segments, own] : all()) {
        const auto longest = segments->shipped_longest();
        if (!longest || (oldest && *longest >= since)) continue;
        oldest = segments;
        owner = own;
        since = *longest;
    }
    if (!oldest) return false;
    const segments gone = oldest->evict(syncing_);
    drop(gone, owner);
    return !gone.empty();
}

void journals_on_disk::drop(const segments& gone, own_journal* of) {
    for (const auto& each : gone) {
        const bool aside = chain::discard(*each);
        if (aside) note("journal segment " + each->path + " is damaged; it was kept as " + each->path + ".damaged");
        if (of) {
            of->forget(*each);
            if (aside)
                room_->disown(of->worker(), each->bytes);
            else
                room_->give_back(of->worker(), each->bytes);
        } else if (!aside) {
            room_->remove(each->bytes);
        }
    }
}

void journals_on_disk::sync() {
    syncing_ = true;
    bool new_files = false;
    for (const auto& [segments, own] : all()) {
        bool new_file = false;
        for (const auto& each : segments->segments()) {
            const std::uint32_t written = each->published.load(std::memory_order_acquire);
            if (written == each->synced || !flush_file(each->path)) continue;
            new_file = new_file || each->synced == 0;
            each->synced = written;
        }
        if (!new_file) continue;
        flush_folder(segments->folder());
        new_files = true;
    }
    if (new_files) flush_folder(root_);
}

state journals_on_disk::current() const {
    state now;
    now.bytes = room_ ? room_->total() : other_bytes_;
    now.damaged = damaged_before_;
    now.writable = !own_.empty();
    for (const auto& [segments, own] : all()) {
        now.damaged += segments->damaged();
        if (!own) continue;
        now.lost += own->writing().lost();
        now.unprotected += own->writing().unprotected();
        now.writable = now.writable && own->writable();
    }
    if (!now.writable) now.problem = problem_;
    now.notes = notes_;
    if (!read_only_) return now;
    for (const auto& each : others_)
        if (!each->problem().empty()) now.notes.push_back(each->problem());
    return now;
}

void journals_on_disk::note(std::string text) {
    if (notes_.size() < notes_max) notes_.push_back(std::move(text));
}

}  // namespace

std::string to_text(const journal_id& id) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string text;
    for (std::uint8_t byte : id) (text += digits[byte >> 4]) += digits[byte & 15];
    return text;
}

std::variant<std::unique_ptr<directory>, std::string> directory::open(const options& how) try {
    auto made = std::make_unique<journals_on_disk>(how.data_dir, false);
    std::string wrong = made->lock(how);
    if (wrong.empty()) wrong = made->start_writing(how);
    if (!wrong.empty()) return wrong;
    return std::unique_ptr<directory>(std::move(made));
} catch (const std::exception& e) {
    return "journal under " + how.data_dir + " cannot be opened: " + e.what();
}

std::variant<std::unique_ptr<directory>, std::string> directory::open_read_only(const std::string& data_dir) try {
    std::error_code ec;
    if (!fs::is_directory(data_dir, ec)) return "data_dir " + data_dir + " does not exist";
    auto made = std::make_unique<journals_on_disk>(data_dir, true);
    made->find_for_reading();
    return std::unique_ptr<directory>(std::move(made));
} catch (const std::exception& e) {
    return "journal under " + data_dir + " cannot be read: " + e.what();
}

}  // namespace tracking::journal
