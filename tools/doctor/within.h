// within(): an action with a time limit, for system calls that may block forever.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <future>
#include <optional>
#include <thread>
#include <utility>

namespace ripieno::tools::doctor {

// Whether a thread was abandoned: the process must then end by _Exit(), without destructors.
inline std::atomic<bool>& has_abandoned_threads() {
  static std::atomic<bool> abandoned = false;
  return abandoned;
}

// Runs `action` on a thread of its own and returns its result, or nullopt if that takes longer. The
// thread is then abandoned, so `action` must own what it uses. Rethrows what `action` throws.
template <typename Result>
std::optional<Result> within(double seconds, std::function<Result()> action) {
  std::packaged_task<Result()> task(std::move(action));
  auto result = task.get_future();
  std::thread(std::move(task)).detach();
  if (result.wait_for(std::chrono::duration<double>(seconds)) == std::future_status::ready)
    return result.get();
  has_abandoned_threads() = true;
  return std::nullopt;
}

}  // namespace ripieno::tools::doctor
