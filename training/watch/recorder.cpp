#include "ripieno/training/watch/recorder.h"

#include <errno.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <fstream>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "ripieno/core/error.h"
#include "ripieno/core/host_name.h"
#include "ripieno/core/start_thread.h"
#include "ripieno/core/trace.h"
#include "ripieno/io/run/ranks/flight_writer.h"
#include "ripieno/io/run/ranks/paths.h"
#include "ripieno/io/run/ranks/stall.h"
#include "ripieno/training/session/bus_error.h"
#include "ripieno/training/session/exit_status.h"
#include "ripieno/training/watch/fatal_signals.h"
#include "ripieno/training/watch/process_facts.h"
#include "ripieno/training/watch/stacks.h"
#include "ripieno/training/watch/watchdog.h"

namespace ripieno::watch {
namespace {

using Clock = std::chrono::steady_clock;

// The lowest ranks read the records of all others, so that one of them can name who is behind even
// if those below it are stopped. All ranks would read too much.
constexpr int kReaders = 4;
constexpr auto kHeartbeat = std::chrono::seconds(1);
constexpr auto kLongestReport = std::chrono::seconds(5);

int64_t unix_now() {
  timespec time = {};
  clock_gettime(CLOCK_REALTIME, &time);
  return int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

// The process may be about to end because nothing responds, so this does not wait for a full pipe.
void write_line(std::string line) {
  std::replace(line.begin(), line.end(), '\n', ' ');
  line += '\n';
  pollfd output = {.fd = STDERR_FILENO, .events = POLLOUT, .revents = 0};
  if (::poll(&output, 1, 1000) <= 0) return;
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, line.data(), line.size());
}

io::FlightFacts facts_of(const RecorderOptions& options) {
  return {.start = options.start,
          .rank = options.rank,
          .size = options.size,
          .local_rank = options.local_rank,
          .cores = options.cores,
          .compute_threads = options.compute_threads,
          .reader_threads = options.reader_threads,
          .processors = options.processors,
          .limit_seconds = options.watch.limit_seconds,
          .device = options.device};
}

}  // namespace

namespace {

// Records events. Never destroyed, since a save that storage holds up may end its event at any time
// later, on a thread of its own.
class Sink final : public trace::Sink {
 public:
  Sink(const std::string& directory, const io::FlightFacts& facts) : writer(directory, facts) {}

  void begin(const trace::Event& event) noexcept override {
    writer.begin({.is_collective = event.kind == trace::Event::Kind::collective,
                  .name = event.name,
                  .bytes = event.bytes,
                  .bucket = event.bucket,
                  .digest = event.digest,
                  .element_type = event.element_type,
                  .root = event.root,
                  .group = event.group,
                  .group_sequence = event.sequence,
                  .group_rank = event.rank,
                  .group_size = event.size});
  }
  void end(const trace::Event& event) noexcept override { writer.end(event.failed); }

  io::FlightWriter writer;
};

Sink& immortal_sink(const std::string& directory, const io::FlightFacts& facts) {
  static std::mutex mutex;
  static std::vector<std::unique_ptr<Sink>>& all = *new std::vector<std::unique_ptr<Sink>>;
  const std::lock_guard lock(mutex);
  return *all.emplace_back(std::make_unique<Sink>(directory, facts));
}

}  // namespace

struct Recorder::Parts {
  explicit Parts(const RecorderOptions& recorder_options);
  ~Parts();

  void start_threads();

  // On the thread that writes.
  void write();
  void beat();
  void report();
  void warn(double seconds);
  std::string summary();
  void write_stacks();
  void print(const std::string& text) const;

  // On the thread of the watchdog.
  void ask_for_report(double seconds);
  void end_process_after_stall();
  void look_for_crash();

  std::string line(double seconds, const std::string& found) const;

  const RecorderOptions options;
  const std::string directory;
  std::string remark;  // why there are no threads; else empty
  Sink& sink;
  io::FlightWriter& writer;
  ProcessFacts facts;
  MedianStep median;
  Clock::time_point step_start = Clock::now();
  uint64_t beats = 0;
  std::optional<FatalSignals> signals;

  // What the threads ask of each other.
  std::mutex mutex;
  std::condition_variable changed;
  bool stopping = false, is_reported = false;
  std::optional<double> warns_after, reports_after;  // seconds without progress
  std::vector<ThreadStack> stacks;
  std::string message;
  // A signal handler asks for the stacks by the first, and waits for the second.
  std::atomic<bool> has_crashed = false, crash_is_written = false;

  std::optional<Watchdog> watchdog;
  std::thread thread;
};

namespace {

std::atomic<bool> is_recording = false;
// Of the recorder, for handlers of signals and of uncaught exceptions.
std::atomic<io::FlightWriter*> current_writer = nullptr;
std::atomic<std::atomic<bool>*> current_crash = nullptr, current_crash_written = nullptr;

void sleep_milliseconds(int milliseconds) {
  const timespec time = {0, milliseconds * 1'000'000L};
  ::nanosleep(&time, nullptr);
}

// In the handler of a signal that ends the process.
void record_signal(int signal) {
  auto* const writer = current_writer.load();
  if (!writer) return;
  const char* const name = sigabbrev_np(signal);
  writer->end_process(io::FlightEnd::Kind::signal, 128 + signal, signal, name ? name : "signal");
  writer->write_end();
  const bool is_crash =
      signal == SIGSEGV || signal == SIGABRT || signal == SIGFPE || signal == SIGILL;
  auto* const crash = current_crash.load();
  auto* const written = current_crash_written.load();
  if (!is_crash || !crash || !written) return;
  crash->store(true);
  for (int waited = 0; waited < 3000 && !written->load(); waited += 10) sleep_milliseconds(10);
}

// In the handler of SIGBUS (bus_error.h).
void record_bus_error() {
  auto* const writer = current_writer.load();
  if (!writer) return;
  writer->end_process(io::FlightEnd::Kind::signal, 128 + SIGBUS, SIGBUS, "BUS");
  writer->write_end();
}

}  // namespace

Recorder::Parts::Parts(const RecorderOptions& recorder_options)
    : options(recorder_options),
      directory(io::rank_directory(options.run_directory, options.rank)),
      sink(immortal_sink(directory, facts_of(options))),
      writer(sink.writer) {
  prepare_stacks();
  writer.set_activity(name_of(Activity::load), 0);
  beat();
  start_threads();
  current_writer = &writer;
  current_crash = &has_crashed;
  current_crash_written = &crash_is_written;
  if (options.watch.ends_process) signals.emplace(record_signal);
  record_bus_errors(record_bus_error);
}

// Without threads there is neither a heartbeat nor a watchdog, but the run is possible.
void Recorder::Parts::start_threads() {
  const auto warn = [this](double seconds) {
    const std::lock_guard lock(mutex);
    warns_after = seconds;
    changed.notify_all();
  };
  const auto stall = [this](double seconds) { ask_for_report(seconds); };
  try {
    watchdog.emplace(
        options.watch.limit_seconds,
        Watchdog::Actions{.warn = warn, .stall = stall, .tick = [this] { look_for_crash(); }});
    thread = start_thread("to record what the run does", [this] { write(); });
  } catch (const ConfigurationError& error) {
    watchdog.reset();
    remark = error.what();
  }
}

Recorder::Parts::~Parts() {
  signals.reset();
  record_bus_errors(nullptr);
  current_writer = nullptr;
  current_crash = current_crash_written = nullptr;
  watchdog.reset();
  {
    const std::lock_guard lock(mutex);
    stopping = true;
  }
  changed.notify_all();
  if (thread.joinable()) thread.join();
}

void Recorder::Parts::write() {
  std::unique_lock lock(mutex);
  Clock::duration pause = kHeartbeat;
  while (true) {
    changed.wait_for(lock, pause, [&] { return stopping || warns_after || reports_after; });
    const auto warning = std::exchange(warns_after, std::nullopt);
    const auto stall = std::exchange(reports_after, std::nullopt);
    const bool is_last = stopping;
    lock.unlock();
    const auto begin = Clock::now();
    beat();
    if (warning) warn(*warning);
    if (stall) report();
    // Slow storage is written to less often.
    pause = std::max<Clock::duration>(kHeartbeat, 20 * (Clock::now() - begin));
    lock.lock();
    if (is_last) return;
  }
}

void Recorder::Parts::beat() {
  io::FlightHeartbeat heartbeat = facts.read();
  heartbeat.count = ++beats;
  if (watchdog) {
    heartbeat.longest_gap_seconds = watchdog->longest_gap_seconds();
    heartbeat.gap_ended_unix = watchdog->gap_ended_unix();
  }
  writer.beat(heartbeat);
  writer.write_copy();
}

// Who is behind, from the records of all ranks; empty if that cannot be found out.
std::string Recorder::Parts::summary() {
  if (options.rank >= kReaders || options.size == 1) return "";
  try {
    auto records = io::read_flight_records(options.run_directory);
    std::erase_if(records, [&](const auto& record) { return record.start != options.start; });
    return io::to_string(io::find_stall(records), records, unix_now());
  } catch (const std::exception&) {
    return "";
  }
}

void Recorder::Parts::warn(double seconds) {
  if (!options.messages || options.rank >= kReaders) return;
  // A rank above 0 warns only if those below it cannot.
  for (int rank = 0; rank < options.rank; ++rank) {
    try {
      const auto other = io::read_flight_record(io::rank_directory(options.run_directory, rank));
      const bool is_alive = other && io::heartbeat_age(*other, unix_now()) < io::kOldHeartbeat;
      if (is_alive) return;
    } catch (const std::exception&) {
    }
  }
  print(line(seconds, summary()));
}

void Recorder::Parts::print(const std::string& text) const {
  if (!options.messages) return;
  std::fputs((text + '\n').c_str(), options.messages);
  std::fflush(options.messages);
}

std::string Recorder::Parts::line(double seconds, const std::string& found) const {
  const Activity activity = watchdog->activity();
  return fmt::format(
      "{}: rank {} on {}: nothing has proceeded for {:.0f} s in {} (limit: {:.0f} s "
      "by watchdog.limit_seconds={:g}){}{}; for more: ripieno explain {}",
      program_invocation_short_name, options.rank, host_name(), seconds, name_of(activity),
      watchdog->limit(), options.watch.limit_seconds, found.empty() ? "" : "; ", found,
      options.run_directory);
}

void Recorder::Parts::write_stacks() {
  try {
    std::ofstream file(io::stacks_path(directory));
    file << fmt::format("rank {} on {}, process {}\n", options.rank, host_name(), ::getpid())
         << to_string(stacks);
  } catch (const std::exception&) {  // no storage
  }
}

void Recorder::Parts::report() {
  write_stacks();
  const std::string found = summary();
  const std::lock_guard lock(mutex);
  message = found;
  is_reported = true;
  changed.notify_all();
}

void Recorder::Parts::look_for_crash() {
  if (!has_crashed.load() || crash_is_written.load()) return;
  stacks = capture_stacks();
  write_stacks();
  crash_is_written = true;
}

void Recorder::Parts::ask_for_report(double seconds) {
  stacks = capture_stacks();
  std::string found;
  {
    std::unique_lock lock(mutex);
    is_reported = false;
    reports_after = seconds;
    changed.notify_all();
    // Storage may not respond.
    changed.wait_for(lock, kLongestReport, [&] { return is_reported; });
    found = std::exchange(message, "");
  }
  std::string text = line(seconds, found);
  text += "; stacks: " + io::stacks_path(directory);
  if (options.watch.ends_process) {
    writer.end_process(io::FlightEnd::Kind::watchdog, static_cast<int>(ExitStatus::peer_lost), 0,
                       text.c_str());
    // Every rank writes its stacks before the first one ends, after which mpirun ends the others.
    std::this_thread::sleep_for(std::chrono::seconds(2 + 2 * std::min(options.rank, 5)));
    write_line(text);
    std::_Exit(static_cast<int>(ExitStatus::peer_lost));
  }
  options.watch.on_stall ? options.watch.on_stall(text) : print(text);
}

std::unique_ptr<Recorder> Recorder::create(const RecorderOptions& options) {
  if (is_recording.exchange(true)) return nullptr;
  try {
    return std::unique_ptr<Recorder>(new Recorder(options));
  } catch (...) {
    is_recording = false;
    throw;
  }
}

Recorder::Recorder(const RecorderOptions& options) : parts_(std::make_unique<Parts>(options)) {
  trace::install_recorder(&parts_->sink);
}

Recorder::~Recorder() {
  trace::install_recorder(nullptr);
  if (std::uncaught_exceptions() > 0)
    parts_->writer.end_process(io::FlightEnd::Kind::exception, 0, 0,
                               "an exception that the program caught");
  auto& writer = parts_->writer;
  parts_.reset();
  writer.close();
  is_recording = false;
}

const std::string& Recorder::remark() const {
  return parts_->remark.empty() ? parts_->writer.remark() : parts_->remark;
}

void Recorder::enter(Activity activity) {
  if (activity == Activity::step) parts_->step_start = Clock::now();
  auto& watchdog = parts_->watchdog;
  if (watchdog) watchdog->enter(activity, parts_->median.value());
  parts_->writer.set_activity(name_of(activity), watchdog ? watchdog->limit() : 0);
}

void Recorder::proceed() {
  if (parts_->watchdog) parts_->watchdog->proceed();
}

void Recorder::end_step(int64_t step, const Seconds& seconds) {
  parts_->median.add(std::chrono::duration<double>(Clock::now() - parts_->step_start).count());
  parts_->writer.end_step(step, parts_->median.value(), seconds);
}

void Recorder::add_seconds(const Seconds& seconds) { parts_->writer.add_seconds(seconds); }

void Recorder::set_processor_wait(double seconds, double recent_share) {
  parts_->writer.set_processor_wait(seconds, recent_share);
}

void Recorder::name_bucket(int bucket, std::string_view parameters) {
  parts_->writer.name_bucket(bucket, parameters);
}

void Recorder::end(int status) {
  parts_->writer.end_process(io::FlightEnd::Kind::returned, status, 0, "");
}

void record_exception(int status, const std::string& message) noexcept {
  auto* const writer = current_writer.load();
  if (!writer) return;
  writer->end_process(io::FlightEnd::Kind::exception, status, 0, message.c_str());
  writer->write_end();
}

}  // namespace ripieno::watch
