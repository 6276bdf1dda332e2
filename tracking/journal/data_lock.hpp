// The lock on data_dir: one instance writes there. The file names its holder's process and journals, so that a reader
// without the lock knows which journals are being written. Released by the kernel when the process ends, however.
#pragma once

#include <string>
#include <vector>

#include "tracking/journal/journal.hpp"

namespace tracking::journal {

class data_lock {
public:
    data_lock() = default;
    data_lock(const data_lock&) = delete;
    data_lock& operator=(const data_lock&) = delete;
    ~data_lock();

    // Creates data_dir (0700) when it is missing. Empty = locked; else what is wrong.
    std::string take(const std::string& data_dir);
    void name_journals(const std::vector<journal_id>& own);

    // Those that another process is writing now, in hex; asks without disturbing it.
    static std::vector<std::string> journals_being_written(const std::string& data_dir);

private:
    int fd_ = -1;
};

}  // namespace tracking::journal
