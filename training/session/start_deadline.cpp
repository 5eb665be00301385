#include "ripieno/training/session/start_deadline.h"

#include <fmt/format.h>

#include <charconv>
#include <chrono>
#include <cstdlib>
#include <string_view>

#include "ripieno/core/error.h"
#include "ripieno/core/start_thread.h"

namespace ripieno {
namespace {

int timeout_seconds() {
  constexpr int kDefault = 600, kLargest = 1'000'000;
  const char* text = std::getenv("RIPIENO_START_TIMEOUT");
  if (!text) return kDefault;
  int seconds = 0;
  const std::string_view word = text;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), seconds);
  if (error == std::errc() && end == word.data() + word.size() && seconds >= 1 &&
      seconds <= kLargest)
    return seconds;
  throw ConfigurationError(
      fmt::format("RIPIENO_START_TIMEOUT must be a number of seconds from 1 to {}, got \"{}\"",
                  kLargest, word));
}

}  // namespace

StartDeadline::StartDeadline()
    : thread_(start_thread("to enforce the startup timeout", [this] { wait(); })) {}

StartDeadline::~StartDeadline() {
  {
    const std::lock_guard lock(mutex_);
    started_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void StartDeadline::wait() {
  const int seconds = timeout_seconds();
  std::unique_lock lock(mutex_);
  const auto started = [&] { return started_; };
  if (changed_.wait_for(lock, std::chrono::seconds(seconds), started)) return;
  throw CommunicationFailure(
      fmt::format("session: timed out after {} s waiting for the other ranks to start; every rank "
                  "that mpirun started must construct a Session",
                  seconds));
}

}  // namespace ripieno
