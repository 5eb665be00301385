// RankStates: what each rank of a run does, from a look at all flight records each second.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "ripieno/io/run/ranks/flight_record.h"

namespace ripieno::tools::watch {

// A rank that gives no sign of life, or for which others wait, for this long is behind.
inline constexpr double kBehindSeconds = 15;

inline constexpr std::size_t kPhases = std::size(io::kFlightPhases);
using PhaseSeconds = std::array<double, kPhases>;

struct RankState {
  enum class Life { running, behind, stopped, ended, gone };
  int rank = 0;
  std::string host = {};
  Life life = Life::running;
  int64_t step = 0;
  double seconds = 0;          // how long it has been behind
  bool is_silent = false;      // behind, and without a heartbeat
  std::string position = {};   // "step > data > wait for a batch"; empty: not known
  int status = 0, signal = 0;  // of Life::ended
  std::string message = {};    // with which it ended
  PhaseSeconds phases = {};    // of about the last 30 seconds, else since the start
  double slowness = 1;         // its own work, as a multiple of the median rank's
  int64_t resident_bytes = 0;
};

class RankStates {
 public:
  // `heads`: of all ranks, of whichever start. `unix_now`: ns since 1970, by a clock that may be
  // set back. `now`: seconds, by one that may not.
  void update(std::vector<io::FlightRecord> heads, int64_t unix_now, double now);

  // In rank order.
  const std::vector<RankState>& states() const { return states_; }
  // The number of ranks of the start, of which some may have left no record.
  int size() const { return size_; }
  // The records of the last start.
  const std::vector<io::FlightRecord>& heads() const { return heads_; }

 private:
  struct Seen {
    uint64_t beats = 0;
    double changed = 0;                                       // when `beats` did, in seconds
    std::deque<std::pair<double, PhaseSeconds>> totals = {};  // by the time of each look
  };
  void keep_last_start();
  RankState state_of(const io::FlightRecord& head, int64_t unix_now, double now);
  void mark_who_is_waited_for(int64_t unix_now);
  void mark_slow();

  uint64_t start_ = 0;
  int size_ = 0;
  std::vector<io::FlightRecord> heads_;
  std::map<int, Seen> seen_;
  std::vector<RankState> states_;
};

}  // namespace ripieno::tools::watch
