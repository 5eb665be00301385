// Starting a thread of the library's own.
#pragma once

#include <functional>
#include <string>
#include <thread>

namespace ripieno {

// Runs `body` in a thread, which is for `purpose`: "to read ahead". ConfigurationError where the
// system has no more threads for this user or container.
std::thread start_thread(const std::string& purpose, std::function<void()> body);

}  // namespace ripieno
