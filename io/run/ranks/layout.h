// The bytes of a flight record (docs/flight_record.md). Not installed.
//
// A writer changes a section or entry in this order: the number at its end, the content, the number
// at its beginning. So a reader, which reads in ascending order, has a consistent content if the
// two are equal.
//
// All numbers are little-endian. Times are nanoseconds: `unix` ones since 1970, the others of
// CLOCK_MONOTONIC of the rank's host, to which the heartbeat gives the offset. Text is UTF-8,
// padded with zeros.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace ripieno::io::flight {

inline constexpr char kMagic[8] = {'R', 'I', 'P', 'F', 'L', 'R', 'E', 'C'};
inline constexpr uint32_t kVersion = 1;
inline constexpr int kGroups = 16;
inline constexpr int kOpenEvents = 6;  // per thread; deeper ones are counted only
inline constexpr int kPhases = 8;
inline constexpr int kMostProcessors = 1024;

// What is fixed for the lifetime of the process.
struct Facts {
  char magic[8];
  uint32_t version;
  uint32_t reserved;
  uint64_t start;  // random number of this start of the run, the same on all ranks
  int64_t started_unix;
  int32_t rank, size, local_rank, process;
  int32_t cores, compute_threads, reader_threads, reserved_2;
  uint32_t threads, steps, events, buckets;  // the number of each below
  double limit_seconds;                      // watchdog.limit_seconds; 0: disabled
  int64_t reserved_3;
  char host[64];
  char device[32];
  char program[64];
  uint64_t processors[16];  // a bit for each that the process may run on; none: unknown
  char reserved_4[128];
};

// Rewritten each second by the recorder's own thread.
struct Heartbeat {
  uint64_t version;
  uint64_t count;
  int64_t unix_time, monotonic_time;
  int64_t resident_bytes, peak_resident_bytes;  // of the process
  int64_t group_bytes, group_limit_bytes;       // of the control group; -1: unknown, no limit
  int64_t oom_kills, oom_kills_at_start;        // of the control group; -1: unknown
  int64_t host_available_bytes;                 // -1: unknown
  double cpu_seconds;                           // of the process, all threads
  int64_t involuntary_switches;
  double throttled_seconds;  // of the control group, by its CPU quota; -1: unknown
  double longest_gap_seconds;
  int64_t gap_ended_unix;  // the longest time between two heartbeats, if the process was stopped
  int64_t retransmitted;   // TCP segments that the host has sent again; -1: unknown
  char reserved[112];
  uint64_t version_at_end;
};

// Rewritten when the run changes to another activity, and after each step.
struct Progress {
  uint64_t version;
  int64_t step;  // steps done
  int64_t activity_since;
  double activity_limit_seconds;  // 0: none
  double median_step_seconds;     // 0: unknown
  double seconds[kPhases];        // totals since the start, in the order of kFlightPhases
  char activity[32];              // "step", "validation", …
  // Of the thread that trains: the time in which it could run, but had no processor, since it
  // began, and as a share of its last 64 steps or so.
  double processor_wait_seconds, recent_processor_wait;
  char reserved[96];
  uint64_t version_at_end;
};

// Written when the process ends in a way that it notices.
struct End {
  uint32_t kind;  // EndKind; written last
  int32_t status, signal, reserved;
  int64_t unix_time;
  char reserved_2[40];
  char message[960];
};

// The collectives of a group of ranks. id 0: unused.
struct Group {
  uint64_t version;
  uint32_t id;
  int32_t rank, size, reserved;
  uint64_t begun, ended;  // the sequence of the last collective that began, and that ended
  uint64_t digest;        // of the arguments of the last that began
  char reserved_2[8];
  uint64_t version_at_end;
};

struct Event {
  uint64_t sequence;   // of the record, from 1; 0: unused
  int64_t start, end;  // end 0: still running
  int64_t bytes;
  uint64_t digest;          // of the collective's arguments
  int64_t step;             // steps done when it began
  int64_t host_bytes;       // resident memory of the process at the last heartbeat
  uint64_t group_sequence;  // counts the collectives of its group, from 1; 0: a phase
  uint32_t group;
  int32_t thread;  // as in /proc/PID/task
  int32_t bucket;  // -1: none
  int32_t root;    // of a broadcast; -1: none
  uint8_t kind;    // 0 phase, 1 collective
  uint8_t failed;  // 1: ended by an exception
  char element_type[10];
  char name[32];
  uint32_t sequence_at_end;  // the low half of sequence
};

struct Thread {
  uint64_t version;
  int32_t id;      // as in /proc/PID/task; 0: unused
  uint32_t depth;  // the number of open events
  char name[32];
  char reserved[8];
  Event open[kOpenEvents];  // the outermost first
  uint64_t version_at_end;
};

// Where the time of one step went on this rank.
struct Step {
  uint64_t sequence;  // from 1; 0: unused
  int64_t step;       // its number
  int64_t end;
  float seconds[kPhases];
  uint64_t sequence_at_end;
};

struct BucketName {
  char text[128];
};

// Everything before the sections whose length the Facts give.
struct Header {
  Facts facts;
  Heartbeat heartbeat;
  Progress progress;
  End end;
  Group groups[kGroups];
};

static_assert(sizeof(Facts) == 512 && sizeof(Heartbeat) == 256 && sizeof(Progress) == 256);
static_assert(sizeof(End) == 1024 && sizeof(Group) == 64 && sizeof(Header) == 3072);
static_assert(sizeof(Event) == 128 && sizeof(Thread) == 832 && sizeof(Step) == 64);
static_assert(std::is_trivially_copyable_v<Header> && std::is_trivially_copyable_v<Thread>);

// The sections follow the header in this order.
struct Sizes {
  uint32_t threads = 16, steps = 256, events = 1024, buckets = 256;

  std::size_t threads_begin() const { return sizeof(Header); }
  std::size_t steps_begin() const { return threads_begin() + threads * sizeof(Thread); }
  std::size_t events_begin() const { return steps_begin() + steps * sizeof(Step); }
  std::size_t buckets_begin() const { return events_begin() + events * sizeof(Event); }
  std::size_t bytes() const { return buckets_begin() + buckets * sizeof(BucketName); }
};

}  // namespace ripieno::io::flight
