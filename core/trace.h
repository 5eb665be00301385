// Trace: reports when phases and collectives begin and end to a sink, for diagnosis and profiles.
//
// The process has one sink of the program, one recorder, which a Run installs, and one profile,
// which also receives operations (core/work.h). Without them, an event costs three atomic loads,
// and an operation one.
#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <string_view>

#include "ripieno/core/device/device.h"

namespace ripieno::trace {

inline constexpr int64_t kUnknown = -1;

struct Event {
  // Only a profile receives the last two: an operation, and the backward of a recorded operation.
  enum class Kind { phase, collective, operation, backward };

  Kind kind = Kind::phase;
  std::string_view name = {};  // a literal: "backward", "all_reduce", …
  int64_t bytes = 0;           // of this rank's tensor; 0 if there is none
  int bucket = -1;             // index of the gradient bucket, in order of reduction; -1: none
  // Of a collective:
  uint32_t group = 0;      // id of the group, the same on all its ranks; 1: the first group
  uint64_t sequence = 0;   // it is the n-th collective of its group, from 1
  int rank = 0, size = 1;  // of this rank in the group
  uint64_t digest = 0;     // of its arguments: equal on all ranks that agree
  std::string_view element_type = {};
  int root = -1;  // of a broadcast
  // Of an operation, whose `bytes` are those that it reads and writes, or kUnknown:
  int64_t flops = kUnknown;
  Device device = {};
  bool failed = false;  // whether an exception ended it; known at its end
};

// The names of events that readers of a flight record interpret: a rank's part of a save, and in it
// rank 0 waiting for the others.
inline constexpr std::string_view kSave = "save of a checkpoint";
inline constexpr std::string_view kWaitForShards = "wait for the shards of others";

// Implementations must be thread-safe and must not throw.
class Sink {
 public:
  virtual ~Sink() = default;
  virtual void begin(const Event& event) noexcept = 0;
  // Called by the thread that called begin(), also when an exception ends the event. Events nest.
  virtual void end(const Event& event) noexcept = 0;
};

namespace internal {
inline std::atomic<Sink*> installed = nullptr, recorder = nullptr, profile = nullptr;
}

// Installs `sink`, or none if null, and returns the previous one. An event ends at the sink where
// it began, so a sink must outlive all events that were running when it was replaced.
inline Sink* install(Sink* sink) { return internal::installed.exchange(sink); }
// The same for the recorder, which receives all events too.
inline Sink* install_recorder(Sink* sink) { return internal::recorder.exchange(sink); }
// The same for the profile, which receives operations too.
inline Sink* install_profile(Sink* sink) { return internal::profile.exchange(sink); }

// Reports that `event` begins when it is constructed, and ends when it is destroyed.
class Scope {
 public:
  explicit Scope(const Event& event)
      : sink_(internal::installed.load(std::memory_order_acquire)),
        recorder_(internal::recorder.load(std::memory_order_acquire)),
        profile_(internal::profile.load(std::memory_order_acquire)),
        exceptions_(std::uncaught_exceptions()),
        event_(event) {
    if (recorder_) recorder_->begin(event_);
    if (sink_) sink_->begin(event_);
    if (profile_) profile_->begin(event_);
  }
  ~Scope() {
    event_.failed = std::uncaught_exceptions() > exceptions_;
    if (profile_) profile_->end(event_);
    if (sink_) sink_->end(event_);
    if (recorder_) recorder_->end(event_);
  }
  Scope(const Scope&) = delete;
  Scope& operator=(const Scope&) = delete;

 private:
  Sink* const sink_;
  Sink* const recorder_;
  Sink* const profile_;
  const int exceptions_;
  Event event_;
};

}  // namespace ripieno::trace
