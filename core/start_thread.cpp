#include "ripieno/core/start_thread.h"

#include <system_error>
#include <utility>

#include "ripieno/core/error.h"

namespace ripieno {

std::thread start_thread(const std::string& purpose, std::function<void()> body) {
  try {
    return std::thread(std::move(body));
  } catch (const std::system_error& error) {
    throw ConfigurationError("cannot start a thread " + purpose + " (" + error.what() +
                             "): raise the limit of processes (ulimit -u, or pids.max of the "
                             "container)");
  }
}

}  // namespace ripieno
