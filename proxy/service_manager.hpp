// What the service manager is told (sd_notify(3), Type=notify): that the process is ready, stops, or is replaced.
#pragma once

#include <string_view>

namespace proxy {

// "READY=1", "STOPPING=1", "MAINPID=123". Without NOTIFY_SOCKET nobody asked; a manager that does not listen is left
// alone.
void tell_service_manager(std::string_view state) noexcept;

}  // namespace proxy
