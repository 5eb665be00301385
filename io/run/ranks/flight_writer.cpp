#include "ripieno/io/run/ranks/flight_writer.h"

#include <errno.h>
#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <ctime>
#include <vector>

#include "ripieno/core/host_name.h"

namespace ripieno::io {
namespace {

constexpr flight::Sizes kSizesOfCopy = {.threads = 16, .steps = 32, .events = 64, .buckets = 256};

int64_t now(clockid_t clock) noexcept {
  timespec time = {};
  clock_gettime(clock, &time);
  return int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

int64_t monotonic_now() noexcept { return now(CLOCK_MONOTONIC); }

// Cuts `text` to the field, which is padded with zeros and ends with at least one.
template <std::size_t kSize>
void set_text(char (&field)[kSize], std::string_view text) noexcept {
  const std::size_t length = std::min(text.size(), kSize - 1);
  if (length > 0) std::memcpy(field, text.data(), length);
  std::memset(field + length, 0, kSize - length);
}

template <typename T>
void store(T& to, T value) noexcept {
  std::atomic_ref(to).store(value, std::memory_order_release);
}

// Changes a section in the order that layout.h describes.
template <typename Section, typename Change>
void change(Section& section, const Change& content) noexcept {
  const uint64_t version = section.version + 1;
  store(section.version_at_end, version);
  std::atomic_thread_fence(std::memory_order_release);
  content();
  store(section.version, version);
}

// Reads what other threads may be writing; readers of the copy detect entries that are torn.
[[gnu::no_sanitize("thread")]] void copy_words(std::byte* to, const std::byte* from,
                                               std::size_t bytes) noexcept {
  const auto* source = reinterpret_cast<const volatile uint64_t*>(from);
  auto* target = reinterpret_cast<volatile uint64_t*>(to);
  for (std::size_t i = 0; i < bytes / sizeof(uint64_t); ++i) target[i] = source[i];
}

// Guards the slots of threads against writers that are destroyed.
std::mutex lifetime_mutex;
uint64_t newest_instance = 0, living_instance = 0;

uint64_t begin_instance() {
  const std::lock_guard lock(lifetime_mutex);
  return living_instance = ++newest_instance;
}

}  // namespace

// This thread's section; one of its own, which nobody reads, if all are taken.
struct FlightWriter::OfThread {
  uint64_t instance = 0;
  flight::Thread* section = nullptr;
  flight::Thread spare = {};

  ~OfThread() {
    const std::lock_guard lock(lifetime_mutex);
    if (section && section != &spare && instance == living_instance)
      change(*section, [&] { section->id = 0; });
  }
};

template <typename Section>
Section& FlightWriter::at(std::size_t begin, uint64_t index) const {
  return reinterpret_cast<Section*>(memory_.begin() + begin)[index];
}

FlightWriter::FlightWriter(const std::string& directory, const FlightFacts& facts)
    : memory_(directory, flight::Sizes{}),
      instance_(begin_instance()),
      copy_(kSizesOfCopy.bytes()) {
  const auto& sizes = memory_.sizes();
  flight::Facts& to = header().facts;
  to.version = flight::kVersion;
  to.start = facts.start;
  to.started_unix = now(CLOCK_REALTIME);
  to.rank = facts.rank;
  to.size = facts.size;
  to.local_rank = facts.local_rank;
  to.process = ::getpid();
  to.cores = facts.cores;
  to.compute_threads = facts.compute_threads;
  to.reader_threads = facts.reader_threads;
  for (const int processor : facts.processors) {
    if (processor >= 0 && processor < flight::kMostProcessors)
      to.processors[processor / 64] |= uint64_t{1} << (processor % 64);
  }
  to.threads = sizes.threads;
  to.steps = sizes.steps;
  to.events = sizes.events;
  to.buckets = sizes.buckets;
  to.limit_seconds = facts.limit_seconds;
  set_text(to.host, host_name());
  set_text(to.device, facts.device);
  set_text(to.program, facts.program.empty() ? program_invocation_short_name : facts.program);
  std::memcpy(to.magic, flight::kMagic, sizeof to.magic);
}

FlightWriter::~FlightWriter() {
  const std::lock_guard lock(lifetime_mutex);
  if (living_instance == instance_) living_instance = 0;
}

flight::Thread* FlightWriter::free_thread() noexcept {
  for (uint32_t i = 0; i < memory_.sizes().threads; ++i) {
    auto& section = at<flight::Thread>(memory_.sizes().threads_begin(), i);
    if (section.id == 0) return &section;
  }
  return nullptr;
}

flight::Thread& FlightWriter::thread() noexcept {
  static thread_local OfThread mine;
  if (mine.instance == instance_) return *mine.section;
  const std::lock_guard lock(lifetime_mutex);
  mine.instance = instance_;
  mine.section = free_thread();
  if (!mine.section) mine.section = &mine.spare;
  change(*mine.section, [&] {
    mine.section->id = ::gettid();
    mine.section->depth = 0;
    char name[16] = {};
    ::pthread_getname_np(::pthread_self(), name, sizeof name);
    set_text(mine.section->name, name);
  });
  return *mine.section;
}

void FlightWriter::begin(const NewEvent& event) noexcept {
  flight::Thread& mine = thread();
  const uint32_t depth = mine.depth;
  change(mine, [&] {
    mine.depth = depth + 1;
    if (depth >= flight::kOpenEvents) return;
    const int enclosing = depth > 0 ? mine.open[depth - 1].bucket : -1;
    flight::Event& open = mine.open[depth];
    open.start = monotonic_now();
    open.end = 0;
    open.bytes = event.bytes;
    open.digest = event.digest;
    open.step = step_.load(std::memory_order_relaxed);
    open.host_bytes = resident_bytes_.load(std::memory_order_relaxed);
    open.group_sequence = event.group_sequence;
    open.group = event.group;
    open.thread = mine.id;
    open.bucket = event.bucket >= 0 ? event.bucket : enclosing;
    open.root = event.root;
    open.kind = event.is_collective;
    open.failed = 0;
    set_text(open.element_type, event.element_type);
    set_text(open.name, event.name);
  });
  if (event.is_collective) begin_collective(event);
}

void FlightWriter::end(bool has_failed) noexcept {
  flight::Thread& mine = thread();
  if (mine.depth == 0) return;  // it began before this writer
  const uint32_t depth = mine.depth - 1;
  if (depth < flight::kOpenEvents) {
    const flight::Event& open = mine.open[depth];
    const uint64_t sequence = events_.fetch_add(1, std::memory_order_relaxed) + 1;
    const auto& sizes = memory_.sizes();
    auto& entry = at<flight::Event>(sizes.events_begin(), (sequence - 1) % sizes.events);
    store(entry.sequence_at_end, static_cast<uint32_t>(sequence));
    std::atomic_thread_fence(std::memory_order_release);
    std::memcpy(&entry.start, &open.start,
                offsetof(flight::Event, sequence_at_end) - offsetof(flight::Event, start));
    entry.end = monotonic_now();
    entry.failed = has_failed;
    store(entry.sequence, sequence);
    if (open.kind == 1) end_collective(open);
  }
  change(mine, [&] { mine.depth = depth; });
}

flight::Group* FlightWriter::group(uint32_t id) noexcept {
  for (auto& group : header().groups) {
    const uint32_t known = std::atomic_ref(group.id).load(std::memory_order_acquire);
    if (known == id || known == 0) return &group;
  }
  return nullptr;
}

void FlightWriter::begin_collective(const NewEvent& event) noexcept {
  flight::Group* known = group(event.group);
  if (!known) return;
  if (known->id == 0) {
    const std::lock_guard lock(groups_mutex_);
    known = group(event.group);
    if (!known) return;
    known->rank = event.group_rank;
    known->size = event.group_size;
    store(known->id, event.group);
  }
  change(*known, [&] {
    known->begun = event.group_sequence;
    known->digest = event.digest;
  });
}

void FlightWriter::end_collective(const flight::Event& event) noexcept {
  flight::Group* known = group(event.group);
  if (!known || known->id == 0) return;
  change(*known, [&] { known->ended = event.group_sequence; });
}

void FlightWriter::name_bucket(int bucket, std::string_view parameters) noexcept {
  const auto& sizes = memory_.sizes();
  if (bucket < 0 || static_cast<uint32_t>(bucket) >= sizes.buckets) return;
  set_text(at<flight::BucketName>(sizes.buckets_begin(), static_cast<uint64_t>(bucket)).text,
           parameters);
  has_new_names_ = true;
}

void FlightWriter::set_activity(std::string_view activity, double limit_seconds) noexcept {
  flight::Progress& progress = header().progress;
  change(progress, [&] {
    progress.activity_since = monotonic_now();
    progress.activity_limit_seconds = limit_seconds;
    set_text(progress.activity, activity);
  });
}

void FlightWriter::end_step(int64_t step, double median_seconds, const Seconds& seconds) noexcept {
  step_.store(step, std::memory_order_relaxed);
  const uint64_t sequence = steps_.load(std::memory_order_relaxed) + 1;
  const auto& sizes = memory_.sizes();
  auto& entry = at<flight::Step>(sizes.steps_begin(), (sequence - 1) % sizes.steps);
  store(entry.sequence_at_end, sequence);
  std::atomic_thread_fence(std::memory_order_release);
  entry.step = step;
  entry.end = monotonic_now();
  for (std::size_t i = 0; i < seconds.size(); ++i)
    entry.seconds[i] = static_cast<float>(seconds[i]);
  store(entry.sequence, sequence);
  steps_.store(sequence, std::memory_order_release);

  flight::Progress& progress = header().progress;
  change(progress, [&] {
    progress.step = step;
    progress.median_step_seconds = median_seconds;
    for (std::size_t i = 0; i < seconds.size(); ++i) progress.seconds[i] += seconds[i];
  });
}

void FlightWriter::add_seconds(const Seconds& seconds) noexcept {
  flight::Progress& progress = header().progress;
  change(progress, [&] {
    for (std::size_t i = 0; i < seconds.size(); ++i) progress.seconds[i] += seconds[i];
  });
}

void FlightWriter::set_processor_wait(double seconds, double recent_share) noexcept {
  flight::Progress& progress = header().progress;
  change(progress, [&] {
    progress.processor_wait_seconds = seconds;
    progress.recent_processor_wait = recent_share;
  });
}

void FlightWriter::beat(const FlightHeartbeat& from) noexcept {
  resident_bytes_.store(from.resident_bytes, std::memory_order_relaxed);
  flight::Heartbeat& beat = header().heartbeat;
  change(beat, [&] {
    beat.count = from.count;
    beat.unix_time = from.unix_time;
    beat.monotonic_time = from.monotonic_time;
    beat.resident_bytes = from.resident_bytes;
    beat.peak_resident_bytes = from.peak_resident_bytes;
    beat.group_bytes = from.group_bytes.value_or(-1);
    beat.group_limit_bytes = from.group_limit_bytes.value_or(-1);
    beat.oom_kills = from.oom_kills.value_or(-1);
    beat.oom_kills_at_start = from.oom_kills_at_start.value_or(-1);
    beat.host_available_bytes = from.host_available_bytes.value_or(-1);
    beat.cpu_seconds = from.cpu_seconds;
    beat.involuntary_switches = from.involuntary_switches;
    beat.throttled_seconds = from.throttled_seconds.value_or(-1);
    beat.longest_gap_seconds = from.longest_gap_seconds;
    beat.gap_ended_unix = from.gap_ended_unix;
    beat.retransmitted = from.retransmitted.value_or(-1);
  });
}

bool FlightWriter::write_copy() noexcept {
  const auto& from = memory_.sizes();
  const auto& to = kSizesOfCopy;
  static_assert(flight::Sizes{}.threads == kSizesOfCopy.threads);
  static_assert(flight::Sizes{}.buckets == kSizesOfCopy.buckets);
  const auto take = [&](std::size_t begin, std::size_t source, std::size_t bytes) {
    copy_words(copy_.data() + begin, memory_.begin() + source, bytes);
  };
  take(0, 0, from.steps_begin());
  auto& facts = reinterpret_cast<flight::Header*>(copy_.data())->facts;
  facts.steps = to.steps;
  facts.events = to.events;
  const auto take_last = [&](std::size_t begin, std::size_t source, std::size_t size,
                             uint64_t written, uint32_t places, uint32_t wanted) {
    for (uint64_t i = written - std::min<uint64_t>(written, wanted); i < written; ++i)
      take(begin + (i % wanted) * size, source + (i % places) * size, size);
  };
  take_last(to.steps_begin(), from.steps_begin(), sizeof(flight::Step),
            steps_.load(std::memory_order_acquire), from.steps, to.steps);
  take_last(to.events_begin(), from.events_begin(), sizeof(flight::Event),
            events_.load(std::memory_order_acquire), from.events, to.events);
  take(to.buckets_begin(), from.buckets_begin(), to.bytes() - to.buckets_begin());
  // The names of buckets change once or never.
  const std::size_t bytes = has_new_names_.exchange(false) ? to.bytes() : to.buckets_begin();
  const bool is_written = memory_.write_copy(0, copy_.data(), bytes);
  if (!is_written) has_new_names_ = true;
  return is_written;
}

void FlightWriter::end_process(FlightEnd::Kind kind, int status, int signal,
                               const char* message) noexcept {
  if (has_ended_.exchange(true)) return;
  flight::End& end = header().end;
  end.status = status;
  end.signal = signal;
  end.unix_time = now(CLOCK_REALTIME);
  set_text(end.message, message);
  store(end.kind, static_cast<uint32_t>(kind));
}

void FlightWriter::write_end() noexcept {
  if (memory_.is_mapped()) return;
  memory_.write_copy(offsetof(flight::Header, end), &header().end, sizeof(flight::End));
}

}  // namespace ripieno::io
