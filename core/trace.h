// Trace: reports when phases and collectives begin and end to a sink, for diagnosis and profiles.
//
// The process has one sink. Without one, an event costs one atomic load.
#pragma once

#include <atomic>
#include <cstdint>
#include <string_view>

namespace ripieno::trace {

struct Event {
  enum class Kind { phase, collective };

  Kind kind = Kind::phase;
  std::string_view name;  // a literal: "backward", "all_reduce", …
  int64_t bytes = 0;      // of this rank's tensor; 0 if there is none
  int bucket = -1;        // index of the gradient bucket, in order of reduction; -1: none
};

// Implementations must be thread-safe and must not throw.
class Sink {
 public:
  virtual ~Sink() = default;
  virtual void begin(const Event& event) noexcept = 0;
  // Called by the thread that called begin(), also when an exception ends the event. Events nest.
  virtual void end(const Event& event) noexcept = 0;
};

namespace internal {
inline std::atomic<Sink*> installed = nullptr;
}

// Installs `sink`, or none if null, and returns the previous one. An event ends at the sink where
// it began, so a sink must outlive all events that were running when it was replaced.
inline Sink* install(Sink* sink) { return internal::installed.exchange(sink); }

// Reports that `event` begins when it is constructed, and ends when it is destroyed.
class Scope {
 public:
  explicit Scope(const Event& event)
      : sink_(internal::installed.load(std::memory_order_acquire)), event_(event) {
    if (sink_) sink_->begin(event_);
  }
  ~Scope() {
    if (sink_) sink_->end(event_);
  }
  Scope(const Scope&) = delete;
  Scope& operator=(const Scope&) = delete;

 private:
  Sink* const sink_;
  const Event event_;
};

}  // namespace ripieno::trace
