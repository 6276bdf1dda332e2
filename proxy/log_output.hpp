// Where the lines of the process go: stderr, or `log_file` in its place. The file takes over the descriptor of stderr,
// so that whoever writes there (the log, the lines of records, a library) needs to know nothing of it, and so that
// opening it again is one step for all of them.
#pragma once

#include <string>

#include "tracking/descriptor.hpp"

namespace proxy {

using tracking::descriptor;

class log_output {
public:
    // Opens the file, or makes it (mode 0640), and keeps it for use(); "" = stderr as it was at the start. The result
    // is an error, or empty.
    std::string open(const std::string& path);
    // What was opened is stderr from now on.
    void use() noexcept;
    // The same name again, after the file was renamed (SIGUSR1). When that fails, what is in use stays.
    std::string reopen();

private:
    std::string path_;
    descriptor opened_;
    descriptor at_start_;  // stderr as it was, once it has been replaced
};

}  // namespace proxy
