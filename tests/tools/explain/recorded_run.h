// RecordedRun: a run directory whose flight records were written by the real writer, for tests of
// `ripieno explain`. Hosts, process ids and times are then set to those of the test.
#pragma once

#include <gmock/gmock.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "io/files/temporary_directory.h"
#include "ripieno/io/run/ranks/flight_writer.h"
#include "ripieno/tools/explain/diagnose.h"
#include "ripieno/tools/explain/report.h"
#include "ripieno/tools/explain/run/run_facts.h"

namespace ripieno::tools::explain {

// The time at which the tests look at a run; its ranks began an hour before.
inline constexpr int64_t kNow = 2'000'000'000'000'000'000, kHour = 3600'000'000'000;

struct RecordedRank {
  int rank = 0;
  std::string host = "a";
  int process = 0;  // 0: 4700 + rank
  // Seconds since the rank entered what it is in, and since its last heartbeat.
  double in_place = 0, silent = 0;
  double ended = 0;  // seconds since it recorded its end
  int cores = 16, compute_threads = 2, reader_threads = 2;
  std::vector<int> processors = {};
  double started_before = 3600;        // seconds before kNow
  io::FlightHeartbeat heartbeat = {};  // but for its times
  std::string activity = "step";
  std::function<void(io::FlightWriter&)> acts = {};
};

class RecordedRun {
 public:
  explicit RecordedRun(int size) : size_(size) {}

  std::string path() const { return *directory_ / "run"; }
  void write(const RecordedRank& rank);
  // Ranks first to last - 1 of the host, which all act alike.
  void write(int first, int last, RecordedRank like);
  void write_file(const std::string& name, const std::string& text);

  RunFacts read() const;
  std::vector<Finding> findings() const { return diagnose(read()); }

 private:
  std::shared_ptr<io::TemporaryDirectory> directory_ = std::make_shared<io::TemporaryDirectory>();
  int size_;
};

// For RecordedRank::acts.
io::FlightWriter::NewEvent all_reduce(uint64_t sequence, int bucket = -1);
void take_steps(io::FlightWriter& writer, int64_t count, const io::FlightWriter::Seconds& seconds,
                int64_t first = 1);

// For messages of GoogleTest.
void PrintTo(const Finding& finding, std::ostream* out);
// A finding with this code, role and first rank (-1: none).
testing::Matcher<const Finding&> is_finding(const std::string& code, Role role, int rank);
// That its text contains.
testing::Matcher<const Finding&> says(const std::string& text);
std::vector<std::string> codes(const std::vector<Finding>& findings);

}  // namespace ripieno::tools::explain
