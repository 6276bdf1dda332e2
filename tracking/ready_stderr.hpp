// Writing to stderr without ever waiting for whoever reads it: the lines of requests (tracking/store/record_log.hpp)
// and those of the process (proxy/log_sink.hpp). What is not taken stays with the caller, who decides what becomes of
// it.
#pragma once

#include <string>

namespace tracking {

// Takes off `text` what stderr takes at once, line by line. False = it takes nothing any more (its reader is gone, the
// disk is full), and the text is lost. Any thread.
bool write_ready(std::string& text);

}  // namespace tracking
