// The lock on data_dir: one instance writes there. The file names its holder's process, for messages. It belongs to the
// open file and not to the process, so that an aimeter hands it to its successor without a gap; the kernel lets go of
// it when the last of them ends, however that happens.
#pragma once

#include <sys/types.h>

#include <string>

namespace tracking::journal {

class data_lock {
public:
    data_lock() = default;
    data_lock(const data_lock&) = delete;
    data_lock& operator=(const data_lock&) = delete;
    ~data_lock();

    // Creates data_dir (0700) when it is missing. Empty = locked; else what is wrong.
    std::string take(const std::string& data_dir);
    // The same with the descriptor of a process that holds it (taken over, whatever comes of it).
    std::string take_over(const std::string& data_dir, int descriptor);
    int descriptor() const { return fd_; }
    void name_holder(pid_t process) const;
    void let_go() noexcept;  // it is held by whoever else has it open

private:
    int fd_ = -1;
};

}  // namespace tracking::journal
