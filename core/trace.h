// Trace: a sink that is told when phases and collectives begin and end, for diagnosis and profiles.
//
// One sink serves the process. Without one, an event costs a load of an atomic pointer.
#pragma once

#include <atomic>
#include <cstdint>
#include <string_view>

namespace ripieno::trace {

struct Event {
  enum class Kind { phase, collective };

  Kind kind = Kind::phase;
  std::string_view name;  // a literal: "backward", "all_reduce", …
  int64_t bytes = 0;      // of this rank's tensor; 0 where there is none
  int bucket = -1;        // of the gradients, counted in the order of reduction; -1: none
};

// Implementations must be thread-safe and must not throw.
class Sink {
 public:
  virtual ~Sink() = default;
  virtual void begin(const Event& event) noexcept = 0;
  // In the thread that began it, also where it ended by an exception. Events nest.
  virtual void end(const Event& event) noexcept = 0;
};

namespace internal {
inline std::atomic<Sink*> installed = nullptr;
}

// Installs `sink`, or none if null, and returns the previous one. An event that has begun still
// ends at the sink where it began, so a sink must outlive all events that were running when it was
// replaced.
inline Sink* install(Sink* sink) { return internal::installed.exchange(sink); }

// Reports `event` for as long as it lives.
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
