// Sends the sample day through aimeter, so that a dashboard has something to show: `aimeter demo --traffic URL`.
#pragma once

#include <cstdint>
#include <string>

namespace demo {

// Some requests at a time, a second or two in all. Prints how many were answered. The exit code: 0 when all were (a
// failure that the plan asks for is an answer), 1 when one was not or aimeter could not reach the service.
int send_sample_traffic(const std::string& host, std::uint16_t port);

}  // namespace demo
