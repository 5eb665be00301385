// Reads the flight records of a run: what each rank did last, and how it ended.
//
// A record can be read while the rank writes it, after any end of the process, and on another host.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ripieno::io {

// The phases of a step whose seconds a record has: data, forward, backward, communication_exposed,
// optimizer, checkpoint, validation, and the rest ("other").
inline constexpr std::string_view kFlightPhases[] = {
    "data",      "forward",    "backward",   "communication_exposed",
    "optimizer", "checkpoint", "validation", "other"};

struct FlightEvent {
  uint64_t sequence = 0;  // in order of their end; 0: still running
  bool is_collective = false;
  bool has_failed = false;     // ended by an exception
  std::string name = {};       // "backward", "all_reduce"
  int64_t start = 0, end = 0;  // ns, CLOCK_MONOTONIC of the rank's host; end 0: still running
  int64_t bytes = 0;
  uint64_t digest = 0;            // of a collective's arguments: must be the same on all ranks
  std::string element_type = {};  // of a collective
  int root = -1;                  // of a broadcast
  uint32_t group = 0;             // id of the group of ranks, the same on all of them
  uint64_t group_sequence = 0;    // the n-th collective of its group, from 1; 0: a phase
  int bucket = -1;
  std::string parameters = {};  // of the bucket: "blocks.0.up.weight to blocks.1.norm1.bias"
  int64_t step = 0;             // steps done when it began
  int64_t host_bytes = 0;       // resident memory of the process
  int thread = 0;
};

struct FlightGroup {
  uint32_t id = 0;
  int rank = 0, size = 0;         // of this rank in the group
  uint64_t begun = 0, ended = 0;  // group_sequence of the last collective that began, that ended
  uint64_t digest = 0;            // of the last that began
};

struct FlightThread {
  int id = 0;  // as in /proc/PID/task
  std::string name = {};
  std::vector<FlightEvent> open = {};  // what it is doing, the outermost first
};

struct FlightStep {
  int64_t step = 0;                  // its number
  int64_t end = 0;                   // ns
  std::vector<double> seconds = {};  // (kFlightPhases)
};

struct FlightHeartbeat {
  uint64_t count = 0;
  int64_t unix_time = 0, monotonic_time = 0;  // ns, of the same moment
  int64_t resident_bytes = 0, peak_resident_bytes = 0;
  std::optional<int64_t> group_bytes = {}, group_limit_bytes = {};  // of the control group
  std::optional<int64_t> oom_kills = {}, oom_kills_at_start = {};   // of the control group
  std::optional<int64_t> host_available_bytes = {};
  double cpu_seconds = 0;
  int64_t involuntary_switches = 0;
  std::optional<double> throttled_seconds = {};  // of the control group
  double longest_gap_seconds = 0;                // between two heartbeats; 0: never late
  int64_t gap_ended_unix = 0;
  std::optional<int64_t> retransmitted = {};  // TCP segments that the host has sent again
};

struct FlightEnd {
  enum class Kind : uint32_t { running, returned, exception, signal, watchdog };
  Kind kind = Kind::running;  // running, or ended in a way that no process can notice (SIGKILL)
  int status = 0;             // exit status; of a signal: 128 + signal
  int signal = 0;
  int64_t unix_time = 0;  // ns
  std::string message = {};
};

struct FlightRecord {
  std::string path = {};  // the file that was read
  bool is_copy = false;   // whether that is the copy
  uint64_t start = 0;     // the same on all ranks of one start of the run, and only there
  int64_t started_unix = 0;
  int rank = 0, size = 1, local_rank = 0, process = 0;
  int cores = 0, compute_threads = 0, reader_threads = 0;
  std::vector<int> processors = {};  // that the process may run on; empty: unknown
  double limit_seconds = 0;
  std::string host = {}, device = {}, program = {};
  FlightHeartbeat heartbeat;
  int64_t step = 0;           // steps done
  std::string activity = {};  // of the run: "step", "validation"; empty before the first
  int64_t activity_since = 0;
  double activity_limit_seconds = 0, median_step_seconds = 0;
  std::vector<double> seconds = {};  // (kFlightPhases) totals since the start
  // Of the thread that trains: the time in which it could run, but had no processor, and the same
  // as a share of its last 64 steps or so. 0 if unknown.
  double processor_wait_seconds = 0, recent_processor_wait = 0;
  FlightEnd end;
  std::vector<FlightGroup> groups = {};
  std::vector<FlightThread> threads = {};  // the one that trains first
  std::vector<FlightStep> steps = {};      // the last ones, in order
  std::vector<FlightEvent> events = {};    // the last ones that ended, in order
  std::vector<std::string> buckets = {};   // the parameters of each

  // The wall clock of a monotonic time of this record, in ns since 1970.
  int64_t unix_time_of(int64_t monotonic) const {
    const auto offset = static_cast<uint64_t>(heartbeat.unix_time) -
                        static_cast<uint64_t>(heartbeat.monotonic_time);
    return static_cast<int64_t>(static_cast<uint64_t>(monotonic) + offset);
  }
};

// Parses the bytes of a record. Throws DataError, with `path`, if they are not one, or one of
// another version. Entries that were being written are left out.
FlightRecord parse_flight_record(std::string_view bytes, const std::string& path);

// The record in the directory of a rank ("run/ranks/rank_00003"): the file or its copy, whichever
// has the newer heartbeat. `age`: 0 for that of the last start, n for that of the n-th start before
// it. Empty if there is none. Throws DataError, StorageError.
std::optional<FlightRecord> read_flight_record(const std::string& directory, int age = 0);

// The same without steps, events and the names of buckets: reads 16 KiB instead of 192, for
// programs that look at many ranks each second.
std::optional<FlightRecord> read_flight_head(const std::string& directory);

// The heads of all ranks of the last start, in rank order. A rank whose record cannot be read is
// left out. Throws StorageError if the run directory cannot be listed.
std::vector<FlightRecord> read_flight_heads(const std::string& run_directory);

// The records of all ranks of the last start that wrote one, in rank order. A rank whose record
// cannot be read is left out; `remarks` (if not null) gets a line for each.
std::vector<FlightRecord> read_flight_records(const std::string& run_directory,
                                              std::vector<std::string>* remarks = nullptr,
                                              int age = 0);

}  // namespace ripieno::io
