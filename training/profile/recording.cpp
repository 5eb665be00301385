#include "ripieno/training/profile/recording.h"

#include <time.h>

#include <atomic>
#include <mutex>
#include <string>
#include <utility>

#include "ripieno/training/profile/gpu_times.h"

namespace ripieno::profiles {
namespace {

using Kind = trace::Event::Kind;

int64_t ns_of(clockid_t clock) {
  timespec time = {};
  clock_gettime(clock, &time);
  return int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

// What one thread has recorded. The lock is for the thread that stops the recording.
struct ThreadLog {
  std::mutex mutex;
  Track track;
};

// One recording. It is never destroyed, since other threads may use it after it was stopped.
struct Capture {
  Capture(Device on, int64_t most)
      : device(on),
        most_intervals(most),
        started(ns_of(CLOCK_MONOTONIC)),
        started_unix(ns_of(CLOCK_REALTIME)) {
    if (device.is_cuda()) gpu = std::make_unique<GpuTimes>(device, started);
  }
  int64_t now() const { return ns_of(CLOCK_MONOTONIC) - started; }

  // Whether one more interval is within the limit.
  bool count() {
    if (intervals.fetch_add(1, std::memory_order_relaxed) < most_intervals) return true;
    int64_t none = 0;
    ended.compare_exchange_strong(none, now());
    return false;
  }

  ThreadLog& new_log(Track::Kind kind) {
    const std::lock_guard lock(mutex);
    const bool trains = kind == Track::Kind::training_thread;
    logs.push_back(std::make_unique<ThreadLog>());
    logs.back()->track.kind = kind;
    logs.back()->track.name = trains ? "training thread" : "thread " + std::to_string(logs.size());
    return *logs.back();
  }

  const Device device;
  const int64_t most_intervals;
  const int64_t started, started_unix;  // ns
  std::unique_ptr<GpuTimes> gpu;        // null on the CPU
  std::mutex mutex;
  std::vector<std::unique_ptr<ThreadLog>> logs;
  std::atomic<int64_t> intervals = 0;
  std::atomic<int64_t> ended = 0;  // when the limit was reached; 0: it was not
  std::atomic<bool> is_running = true;
};

// An event that is running on this thread.
struct Open {
  Capture* capture;   // of the recording in which it began
  Interval interval;  // with `own` the time of the intervals in it, so far
  std::string_view inner_phase;
  bool is_within_measured;  // whether an operation around it is measured on the GPU
  GpuTimes::Pair* on_gpu;
};

struct ThreadState {
  Capture* capture = nullptr;  // of `log`
  ThreadLog* log = nullptr;
  std::vector<Open> open;

  ThreadLog& log_of(Capture& current, Track::Kind kind) {
    if (std::exchange(capture, &current) != &current) log = &current.new_log(kind);
    return *log;
  }
};
thread_local ThreadState this_thread;

// One object, never destroyed: events end at the sink where they began.
class Sink final : public trace::Sink {
 public:
  void start(std::unique_ptr<Capture> capture) {
    this_thread.log_of(*capture, Track::Kind::training_thread);
    current_ = capture.release();
    trace::install_profile(this);
  }
  Recorded stop();
  int64_t now() const { return current_.load()->now(); }

  void begin(const trace::Event& event) noexcept override;
  void end(const trace::Event& event) noexcept override;

  std::atomic<bool> is_taken = false;

 private:
  std::atomic<Capture*> current_ = nullptr;  // the last one that was started
};

Sink& sink() {
  static Sink& only = *new Sink;
  return only;
}

Recorded Sink::stop() {
  Capture& capture = *current_;
  const int64_t stopped = capture.now(), ended = capture.ended;
  trace::install_profile(nullptr);
  capture.is_running = false;
  Recorded recorded{.started_unix = capture.started_unix,
                    .duration = ended > 0 ? ended : stopped,
                    .reached_limit = ended > 0};
  {
    const std::lock_guard lock(capture.mutex);
    for (const auto& log : capture.logs) {
      const std::lock_guard lock_log(log->mutex);
      recorded.tracks.push_back(std::move(log->track));
    }
  }
  if (capture.gpu) {
    for (Track& track : capture.gpu->take_tracks()) recorded.tracks.push_back(std::move(track));
    recorded.untimed = capture.gpu->untimed();
  }
  return recorded;
}

bool is_measured_on_gpu(const trace::Event& event, const Capture& capture) {
  return event.kind == Kind::operation && capture.gpu && event.device == capture.device &&
         capture.is_running && capture.ended == 0;
}

void Sink::begin(const trace::Event& event) noexcept {
  auto& open = this_thread.open;
  Capture& capture = *current_.load();
  const Open* const around =
      open.empty() || open.back().capture != &capture ? nullptr : &open.back();
  const std::string_view phase = around ? around->inner_phase : std::string_view();
  Open opened = {.capture = &capture,
                 .interval = {.kind = event.kind,
                              .name = event.name,
                              .phase = phase,
                              .bytes = event.bytes,
                              .flops = event.flops,
                              .bucket = event.bucket},
                 .inner_phase = event.kind == Kind::phase      ? event.name
                                : event.kind == Kind::backward ? "backward"
                                                               : phase,
                 .is_within_measured =
                     around != nullptr && (around->on_gpu != nullptr || around->is_within_measured),
                 .on_gpu = nullptr};
  if (is_measured_on_gpu(event, capture) && !opened.is_within_measured)
    opened.on_gpu = capture.gpu->begin(opened.interval);
  opened.interval.begin = capture.now();
  open.push_back(opened);
}

void Sink::end(const trace::Event&) noexcept {
  auto& open = this_thread.open;
  const Open ended = open.back();
  open.pop_back();
  Capture& capture = *ended.capture;
  Interval interval = ended.interval;
  interval.duration = capture.now() - interval.begin;
  interval.own = interval.duration - interval.own;
  if (!capture.is_running) return;
  if (ended.on_gpu) capture.gpu->end(*ended.on_gpu);
  if (!open.empty() && open.back().capture == &capture)
    open.back().interval.own += interval.duration;
  if (!capture.count()) return;
  ThreadLog& log = this_thread.log_of(capture, Track::Kind::other_thread);
  const std::lock_guard lock(log.mutex);
  if (capture.is_running) log.track.intervals.push_back(interval);
}

}  // namespace

std::unique_ptr<Recording> Recording::start(Device device, int64_t most_intervals) {
  if (sink().is_taken.exchange(true)) return nullptr;
  try {
    std::unique_ptr<Recording> recording(new Recording);
    sink().start(std::make_unique<Capture>(device, most_intervals));
    return recording;
  } catch (...) {
    sink().is_taken = false;
    throw;
  }
}

Recording::~Recording() = default;

void Recording::begin_step(int64_t number) {
  const int64_t now = sink().now();
  auto& steps = recorded_.steps;
  if (!steps.empty()) steps.back().duration = now - steps.back().begin;
  steps.push_back({.number = number, .begin = now});
}

Recorded Recording::stop() {
  Recorded recorded = sink().stop();
  sink().is_taken = false;
  recorded.steps = std::move(recorded_.steps);
  if (recorded.steps.empty()) return recorded;
  // The last step ends with the recording, also if that had ended within an earlier one.
  std::erase_if(recorded.steps, [&](const Step& step) { return step.begin >= recorded.duration; });
  if (!recorded.steps.empty())
    recorded.steps.back().duration = recorded.duration - recorded.steps.back().begin;
  return recorded;
}

}  // namespace ripieno::profiles
