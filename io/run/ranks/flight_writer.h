// FlightWriter: writes the flight record of this process (flight_record.h).
//
// Events are recorded by any thread, without locks, system calls other than the clock, or
// allocation; each costs some tens of nanoseconds. One thread at a time calls each of the others.
// Used by training/watch. Not installed.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "ripieno/io/run/ranks/flight_memory.h"
#include "ripieno/io/run/ranks/flight_record.h"

namespace ripieno::io {

// What is fixed for the lifetime of the process.
struct FlightFacts {
  uint64_t start = 0;  // the same on all ranks
  int rank = 0, size = 1, local_rank = 0;
  int cores = 0, compute_threads = 0, reader_threads = 0;
  std::vector<int> processors = {};  // that the process may run on; empty: unknown
  double limit_seconds = 0;
  std::string device = {}, program = {};
};

class FlightWriter {
 public:
  using Seconds = std::array<double, std::size(kFlightPhases)>;

  // Writes to `directory`, that of the rank. Never throws because of storage.
  FlightWriter(const std::string& directory, const FlightFacts& facts);
  ~FlightWriter();
  FlightWriter(const FlightWriter&) = delete;
  FlightWriter& operator=(const FlightWriter&) = delete;

  // Why the record is not, or not completely, on storage; one line, else empty.
  const std::string& remark() const { return memory_.remark(); }

  // An event begins, or the last one that this thread began ends. Of `event`, start, end, sequence,
  // step, host_bytes and thread are filled in. Names are cut to 31 bytes.
  struct NewEvent {
    bool is_collective = false;
    std::string_view name;
    int64_t bytes = 0;
    int bucket = -1;  // -1: that of the event in which it is nested
    uint64_t digest = 0;
    std::string_view element_type = {};
    int root = -1;
    uint32_t group = 0;
    uint64_t group_sequence = 0;
    int group_rank = 0, group_size = 1;
  };
  void begin(const NewEvent& event) noexcept;
  void end(bool has_failed) noexcept;

  // The parameters of a bucket.
  void name_bucket(int bucket, std::string_view parameters) noexcept;

  // What the run does now. `limit_seconds`: 0 for none.
  void set_activity(std::string_view activity, double limit_seconds) noexcept;
  // A step is done; the median of recent ones; the seconds of this one.
  void end_step(int64_t step, double median_seconds, const Seconds& seconds) noexcept;
  // For FlightRecord::processor_wait_seconds and recent_processor_wait.
  void set_processor_wait(double seconds, double recent_share) noexcept;
  // Time that belongs to no step.
  void add_seconds(const Seconds& seconds) noexcept;

  void beat(const FlightHeartbeat& heartbeat) noexcept;
  // Writes the current state to the copy. May block while storage does. Returns whether it
  // succeeded.
  bool write_copy() noexcept;

  // How the process ends; the first call counts. Async-signal-safe.
  void end_process(FlightEnd::Kind kind, int status, int signal, const char* message) noexcept;
  // Writes that to the copy if there is no mapped file. May block. Async-signal-safe.
  void write_end() noexcept;
  // The copy will not be written again. Events can still end.
  void close() noexcept { memory_.close_copy(); }

 private:
  struct OfThread;

  flight::Header& header() const { return *reinterpret_cast<flight::Header*>(memory_.begin()); }
  template <typename Section>
  Section& at(std::size_t begin, uint64_t index) const;
  flight::Thread& thread() noexcept;
  flight::Thread* free_thread() noexcept;
  void begin_collective(const NewEvent& event) noexcept;
  void end_collective(const flight::Event& event) noexcept;
  flight::Group* group(uint32_t id) noexcept;

  FlightMemory memory_;
  const uint64_t instance_;                       // of this object in the process, from 1
  std::vector<std::byte> copy_;                   // the copy as it is written
  std::atomic<bool> has_new_names_ = true;        // since the copy was written
  std::mutex groups_mutex_;                       // held while a group is added
  std::atomic<uint64_t> events_ = 0, steps_ = 0;  // the number written
  std::atomic<int64_t> step_ = 0, resident_bytes_ = 0;
  std::atomic<bool> has_ended_ = false;
};

}  // namespace ripieno::io
