// start_thread(): starts a thread, with a readable error when the system refuses.
#pragma once

#include <functional>
#include <string>
#include <thread>

namespace ripieno {

// Runs `body` in a new thread. `purpose` completes "thread" in the message: "to read ahead". Throws
// ConfigurationError if the limit of processes of the user or container is reached.
std::thread start_thread(const std::string& purpose, std::function<void()> body);

}  // namespace ripieno
