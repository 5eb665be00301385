#include "ripieno/tools/watch/background.h"

#include <signal.h>

#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>

namespace ripieno::tools::watch {

using Clock = std::chrono::steady_clock;

struct Background::Shared {
  std::mutex mutex;
  std::condition_variable changed;
  bool is_over = false;     // nobody looks any more
  bool is_reading = false;  // since `began`
  Clock::time_point began;
  std::shared_ptr<const Snapshot> snapshot;
  std::exception_ptr failure;

  void run(const std::string& directory);
  void begin();
  // Waits until the next read is due. False if nobody looks any more.
  bool publish(Snapshot read, double seconds_to_wait);
  Look look() const;
};

void Background::Shared::begin() {
  const std::lock_guard lock(mutex);
  is_reading = true;
  began = Clock::now();
}

bool Background::Shared::publish(Snapshot read, double seconds_to_wait) {
  std::unique_lock lock(mutex);
  snapshot = std::make_shared<const Snapshot>(std::move(read));
  is_reading = false;
  changed.notify_all();
  changed.wait_for(lock, std::chrono::duration<double>(seconds_to_wait), [&] { return is_over; });
  return !is_over;
}

void Background::Shared::run(const std::string& directory) {
  try {
    RunReader reader(io::local_files(), directory);
    do {
      begin();
    } while (publish(reader.read(), reader.seconds_to_wait()));
  } catch (...) {
    const std::lock_guard lock(mutex);
    failure = std::current_exception();
    is_reading = false;
    changed.notify_all();
  }
}

// Signals are for the thread that draws, but those of a crash: blocked, they would end the process
// before their handler gives the terminal back.
Background::Background(std::string directory) : shared_(std::make_shared<Shared>()) {
  shared_->is_reading = true;
  shared_->began = Clock::now();
  sigset_t all, before;
  sigfillset(&all);
  for (const int crash : {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT}) sigdelset(&all, crash);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  std::thread([shared = shared_, directory = std::move(directory)] {
    shared->run(directory);
  }).detach();
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

Background::~Background() {
  const std::lock_guard lock(shared_->mutex);
  shared_->is_over = true;
  shared_->changed.notify_all();
}

Background::Look Background::Shared::look() const {
  if (failure) std::rethrow_exception(failure);
  Look look{.snapshot = snapshot};
  if (is_reading) look.silent_seconds = std::chrono::duration<double>(Clock::now() - began).count();
  return look;
}

Background::Look Background::look() const {
  const std::lock_guard lock(shared_->mutex);
  return shared_->look();
}

Background::Look Background::wait(double seconds) const {
  std::unique_lock lock(shared_->mutex);
  shared_->changed.wait_for(lock, std::chrono::duration<double>(seconds),
                            [&] { return shared_->snapshot || shared_->failure; });
  return shared_->look();
}

}  // namespace ripieno::tools::watch
