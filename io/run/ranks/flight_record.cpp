#include "ripieno/io/run/ranks/flight_record.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <span>

#include "ripieno/core/error.h"
#include "ripieno/io/files/file_system.h"
#include "ripieno/io/run/ranks/layout.h"
#include "ripieno/io/run/ranks/paths.h"

namespace ripieno::io {
namespace {

constexpr int64_t kMostBytes = int64_t{1} << 26;

template <std::size_t kSize>
std::string text_of(const char (&field)[kSize]) {
  return std::string(field, ::strnlen(field, kSize));
}

std::optional<int64_t> known(int64_t value) {
  return value < 0 ? std::nullopt : std::optional(value);
}

// What is read of a record: everything, or what comes before the steps.
enum class Extent { all, head };

// Reads the sections of a record. Entries are copied, since nothing aligns the bytes.
class Sections {
 public:
  // `bytes`: the record, or at least its head.
  Sections(std::string_view bytes, const std::string& path, Extent extent = Extent::all)
      : bytes_(bytes) {
    if (bytes.size() < sizeof(flight::Header)) refuse(path, "it is too short");
    header = at<flight::Header>(0);
    const auto& facts = header.facts;
    if (std::memcmp(facts.magic, flight::kMagic, sizeof facts.magic) != 0)
      refuse(path, "it does not begin with RIPFLREC");
    if (facts.version != flight::kVersion) {
      refuse(path, fmt::format("it has version {}, but version {} is required; read it with the "
                               "version of Ripieno that wrote it",
                               facts.version, flight::kVersion));
    }
    sizes_ = {facts.threads, facts.steps, facts.events, facts.buckets};
    const uint32_t most = std::max({facts.threads, facts.steps, facts.events, facts.buckets});
    const bool is_whole = extent == Extent::head ? sizes_.steps_begin() <= bytes.size()
                                                 : sizes_.bytes() == bytes.size();
    if (most > kMostBytes || !is_whole) {
      refuse(path, fmt::format("it has {} bytes, but its header requires {}", bytes.size(),
                               sizes_.bytes()));
    }
  }

  flight::Thread thread(std::size_t i) const {
    return at<flight::Thread>(sizes_.threads_begin() + i * sizeof(flight::Thread));
  }
  flight::Step step(std::size_t i) const {
    return at<flight::Step>(sizes_.steps_begin() + i * sizeof(flight::Step));
  }
  flight::Event event(std::size_t i) const {
    return at<flight::Event>(sizes_.events_begin() + i * sizeof(flight::Event));
  }
  std::string bucket(std::size_t i) const {
    return text_of(
        at<flight::BucketName>(sizes_.buckets_begin() + i * sizeof(flight::BucketName)).text);
  }

  flight::Header header;

 private:
  template <typename T>
  T at(std::size_t offset) const {
    T value;
    std::memcpy(&value, bytes_.data() + offset, sizeof value);
    return value;
  }

  [[noreturn]] static void refuse(const std::string& path, const std::string& why) {
    throw DataError(fmt::format("{} is not a readable flight record: {}", path, why));
  }

  std::string_view bytes_;
  flight::Sizes sizes_;
};

FlightEvent event_of(const flight::Event& from, const std::vector<std::string>& buckets) {
  FlightEvent event{.sequence = from.sequence,
                    .is_collective = from.kind == 1,
                    .has_failed = from.failed != 0,
                    .name = text_of(from.name),
                    .start = from.start,
                    .end = from.end,
                    .bytes = from.bytes,
                    .digest = from.digest,
                    .element_type = text_of(from.element_type),
                    .root = from.root,
                    .group = from.group,
                    .group_sequence = from.group_sequence,
                    .bucket = from.bucket,
                    .step = from.step,
                    .host_bytes = from.host_bytes,
                    .thread = from.thread};
  if (from.bucket >= 0 && static_cast<std::size_t>(from.bucket) < buckets.size())
    event.parameters = buckets[static_cast<std::size_t>(from.bucket)];
  return event;
}

FlightHeartbeat heartbeat_of(const flight::Heartbeat& from) {
  FlightHeartbeat beat{.count = from.count,
                       .unix_time = from.unix_time,
                       .monotonic_time = from.monotonic_time,
                       .resident_bytes = from.resident_bytes,
                       .peak_resident_bytes = from.peak_resident_bytes,
                       .group_bytes = known(from.group_bytes),
                       .group_limit_bytes = known(from.group_limit_bytes),
                       .oom_kills = known(from.oom_kills),
                       .oom_kills_at_start = known(from.oom_kills_at_start),
                       .host_available_bytes = known(from.host_available_bytes),
                       .cpu_seconds = from.cpu_seconds,
                       .involuntary_switches = from.involuntary_switches,
                       .longest_gap_seconds = from.longest_gap_seconds,
                       .gap_ended_unix = from.gap_ended_unix,
                       .retransmitted = known(from.retransmitted)};
  if (from.throttled_seconds >= 0) beat.throttled_seconds = from.throttled_seconds;
  return beat;
}

FlightEnd end_of(const flight::End& from) {
  FlightEnd end{.status = from.status,
                .signal = from.signal,
                .unix_time = from.unix_time,
                .message = text_of(from.message)};
  if (from.kind <= static_cast<uint32_t>(FlightEnd::Kind::watchdog))
    end.kind = static_cast<FlightEnd::Kind>(from.kind);
  return end;
}

void take_facts(FlightRecord& record, const flight::Facts& facts) {
  record.start = facts.start;
  record.started_unix = facts.started_unix;
  record.rank = facts.rank;
  record.size = facts.size;
  record.local_rank = facts.local_rank;
  record.process = facts.process;
  record.cores = facts.cores;
  record.compute_threads = facts.compute_threads;
  record.reader_threads = facts.reader_threads;
  for (int processor = 0; processor < flight::kMostProcessors; ++processor) {
    if (facts.processors[processor / 64] >> (processor % 64) & 1)
      record.processors.push_back(processor);
  }
  record.limit_seconds = facts.limit_seconds;
  record.host = text_of(facts.host);
  record.device = text_of(facts.device);
  record.program = text_of(facts.program);
}

void take_progress(FlightRecord& record, const flight::Progress& progress) {
  record.step = progress.step;
  record.activity = text_of(progress.activity);
  record.activity_since = progress.activity_since;
  record.activity_limit_seconds = progress.activity_limit_seconds;
  record.median_step_seconds = progress.median_step_seconds;
  record.seconds.assign(std::begin(progress.seconds), std::end(progress.seconds));
  record.processor_wait_seconds = progress.processor_wait_seconds;
  record.recent_processor_wait = progress.recent_processor_wait;
}

void take_threads(FlightRecord& record, const Sections& sections) {
  for (std::size_t i = 0; i < sections.header.facts.threads; ++i) {
    const flight::Thread from = sections.thread(i);
    if (from.id == 0) continue;
    FlightThread thread{.id = from.id, .name = text_of(from.name)};
    const auto depth = std::min<uint32_t>(from.depth, flight::kOpenEvents);
    for (uint32_t level = 0; level < depth; ++level)
      thread.open.push_back(event_of(from.open[level], record.buckets));
    record.threads.push_back(std::move(thread));
  }
  // The main thread has the id of the process.
  std::stable_partition(record.threads.begin(), record.threads.end(),
                        [&](const auto& thread) { return thread.id == record.process; });
}

void take_rings(FlightRecord& record, const Sections& sections) {
  const auto& facts = sections.header.facts;
  std::vector<std::pair<uint64_t, FlightStep>> steps;
  for (std::size_t i = 0; i < facts.steps; ++i) {
    const flight::Step from = sections.step(i);
    if (from.sequence == 0 || from.sequence != from.sequence_at_end) continue;
    steps.push_back({from.sequence,
                     {.step = from.step,
                      .end = from.end,
                      .seconds = {std::begin(from.seconds), std::end(from.seconds)}}});
  }
  std::sort(steps.begin(), steps.end(), [](auto& a, auto& b) { return a.first < b.first; });
  for (auto& [sequence, step] : steps) record.steps.push_back(std::move(step));

  for (std::size_t i = 0; i < facts.events; ++i) {
    const flight::Event from = sections.event(i);
    if (from.sequence == 0 || from.sequence_at_end != static_cast<uint32_t>(from.sequence))
      continue;
    record.events.push_back(event_of(from, record.buckets));
  }
  std::sort(record.events.begin(), record.events.end(),
            [](auto& a, auto& b) { return a.sequence < b.sequence; });
}

// Whether a part that has no other copy was being written while the bytes were read.
bool is_torn(std::string_view bytes, const std::string& path, Extent extent) {
  const Sections sections(bytes, path, extent);
  const auto& header = sections.header;
  bool torn = header.heartbeat.version != header.heartbeat.version_at_end ||
              header.progress.version != header.progress.version_at_end;
  for (const auto& group : header.groups) torn = torn || group.version != group.version_at_end;
  for (std::size_t i = 0; i < header.facts.threads; ++i) {
    const auto thread = sections.thread(i);
    torn = torn || thread.version != thread.version_at_end;
  }
  return torn;
}

// The head of the records that this version writes.
const auto kHeadBytes = static_cast<int64_t>(flight::Sizes().steps_begin());

std::string bytes_of(const std::string& path, Extent extent) {
  const auto file = local_files().open(path);
  const int64_t size = extent == Extent::head ? std::min(kHeadBytes, file->size()) : file->size();
  if (size > kMostBytes)
    throw DataError(
        fmt::format("{} is not a readable flight record: it has {} bytes, at most {} "
                    "are possible",
                    path, size, kMostBytes));
  std::string bytes(static_cast<std::size_t>(size), '\0');
  file->read(0, std::as_writable_bytes(std::span(bytes)));
  return bytes;
}

FlightRecord parse_head(const Sections& sections, const std::string& path) {
  FlightRecord record;
  record.path = path;
  take_facts(record, sections.header.facts);
  record.heartbeat = heartbeat_of(sections.header.heartbeat);
  take_progress(record, sections.header.progress);
  record.end = end_of(sections.header.end);
  for (const auto& group : sections.header.groups) {
    if (group.id == 0) continue;
    record.groups.push_back({.id = group.id,
                             .rank = group.rank,
                             .size = group.size,
                             .begun = group.begun,
                             .ended = group.ended,
                             .digest = group.digest});
  }
  return record;
}

FlightRecord read_file_of_rank(const std::string& path, Extent extent) {
  std::string bytes = bytes_of(path, extent);
  // After a kill in the middle of a write it stays torn, and is the best there is.
  for (int retry = 0; retry < 3 && is_torn(bytes, path, extent); ++retry)
    bytes = bytes_of(path, extent);
  if (extent == Extent::all) return parse_flight_record(bytes, path);
  const Sections sections(bytes, path, extent);
  FlightRecord record = parse_head(sections, path);
  take_threads(record, sections);
  return record;
}

// Of the file and its copy, whichever has the newer heartbeat.
std::optional<FlightRecord> read_newest(const std::string& directory, int age, Extent extent) {
  const std::string path = flight_path(directory, age), copy = flight_copy_path(directory, age);
  std::optional<FlightRecord> newest;
  std::exception_ptr failure;
  for (const auto& candidate : {path, copy}) {
    try {
      if (!local_files().exists(candidate)) continue;
      auto record = read_file_of_rank(candidate, extent);
      record.is_copy = candidate == copy;
      const bool is_newer =
          !newest || record.started_unix > newest->started_unix ||
          (record.start == newest->start && record.heartbeat.count > newest->heartbeat.count);
      if (is_newer) newest = std::move(record);
    } catch (const Error&) {
      failure = std::current_exception();
    }
  }
  if (!newest && failure) std::rethrow_exception(failure);
  return newest;
}

struct Identity {
  uint64_t start = 0;
  int64_t started_unix = 0;
};

std::optional<Identity> identity_of(const std::string& path) {
  if (!local_files().exists(path)) return std::nullopt;
  const auto file = local_files().open(path);
  if (file->size() < static_cast<int64_t>(sizeof(flight::Header))) return std::nullopt;
  flight::Facts facts;
  file->read(0, std::as_writable_bytes(std::span(&facts, 1)));
  return Identity{facts.start, facts.started_unix};
}

// The number of the rank of "rank_00003"; empty for other names.
std::optional<int> rank_of(std::string_view name) {
  constexpr std::string_view kPrefix = "rank_";
  if (!name.starts_with(kPrefix)) return std::nullopt;
  name.remove_prefix(kPrefix.size());
  int rank = -1;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), rank);
  const bool is_number = error == std::errc() && end == name.data() + name.size() && rank >= 0;
  return is_number ? std::optional(rank) : std::nullopt;
}

struct Found {
  std::string directory;
  int rank = 0, age = 0;
  Identity identity;
};

void note(std::vector<std::string>* remarks, const std::exception& error) {
  if (remarks) remarks->push_back(error.what());
}

std::vector<Found> find_records(const std::string& ranks, std::vector<std::string>* remarks) {
  std::vector<Found> found;
  if (!local_files().exists(ranks)) return found;
  for (const auto& name : local_files().names_in(ranks)) {
    const auto rank = rank_of(name);
    if (!rank) continue;
    const std::string directory = ranks + "/" + name;
    for (int age = 0; age <= kKeptFlightRecords; ++age) {
      try {
        auto identity = identity_of(flight_path(directory, age));
        if (!identity) identity = identity_of(flight_copy_path(directory, age));
        if (identity) found.push_back({directory, *rank, age, *identity});
      } catch (const Error& error) {
        note(remarks, error);
      }
    }
  }
  return found;
}

// The start that began `age` starts before the last; empty if there is none.
std::optional<uint64_t> start_of_age(const std::vector<Found>& found, int age) {
  std::vector<Identity> starts;
  for (const auto& record : found) {
    const auto same = std::find_if(starts.begin(), starts.end(), [&](const auto& other) {
      return other.start == record.identity.start;
    });
    if (same == starts.end()) {
      starts.push_back(record.identity);
    } else {
      same->started_unix = std::max(same->started_unix, record.identity.started_unix);
    }
  }
  std::sort(starts.begin(), starts.end(),
            [](auto& a, auto& b) { return a.started_unix > b.started_unix; });
  if (age < 0 || static_cast<std::size_t>(age) >= starts.size()) return std::nullopt;
  return starts[static_cast<std::size_t>(age)].start;
}

}  // namespace

FlightRecord parse_flight_record(std::string_view bytes, const std::string& path) {
  const Sections sections(bytes, path);
  FlightRecord record = parse_head(sections, path);
  for (std::size_t i = 0; i < sections.header.facts.buckets; ++i)
    record.buckets.push_back(sections.bucket(i));
  take_threads(record, sections);
  take_rings(record, sections);
  while (!record.buckets.empty() && record.buckets.back().empty()) record.buckets.pop_back();
  return record;
}

std::optional<FlightRecord> read_flight_record(const std::string& directory, int age) {
  return read_newest(directory, age, Extent::all);
}

std::optional<FlightRecord> read_flight_head(const std::string& directory) {
  return read_newest(directory, 0, Extent::head);
}

std::vector<FlightRecord> read_flight_heads(const std::string& run_directory) {
  const std::string ranks = ranks_directory(run_directory);
  std::vector<FlightRecord> heads;
  for (const auto& name : local_files().names_in(ranks)) {
    if (!name.starts_with("rank_")) continue;
    try {
      if (auto head = read_flight_head(ranks + "/" + name)) heads.push_back(std::move(*head));
    } catch (const Error&) {
      // Left out.
    }
  }
  const auto last = std::ranges::max_element(heads, {}, &FlightRecord::started_unix);
  if (last == heads.end()) return heads;
  std::erase_if(heads, [start = last->start](const auto& head) { return head.start != start; });
  std::ranges::sort(heads, {}, &FlightRecord::rank);
  return heads;
}

std::vector<FlightRecord> read_flight_records(const std::string& run_directory,
                                              std::vector<std::string>* remarks, int age) {
  const auto found = find_records(ranks_directory(run_directory), remarks);
  const auto start = start_of_age(found, age);
  std::vector<FlightRecord> records;
  for (const auto& candidate : found) {
    if (!start || candidate.identity.start != *start) continue;
    try {
      auto record = read_flight_record(candidate.directory, candidate.age);
      if (record && record->start == *start) records.push_back(std::move(*record));
    } catch (const Error& error) {
      note(remarks, error);
    }
  }
  std::sort(records.begin(), records.end(), [](auto& a, auto& b) { return a.rank < b.rank; });
  return records;
}

}  // namespace ripieno::io
