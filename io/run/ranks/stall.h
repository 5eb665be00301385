// Who holds up a run that does not proceed, from the flight records of its ranks.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ripieno/io/run/ranks/flight_record.h"

namespace ripieno::io {

// The event in which the rank is: the collective in which any thread of it waits, else the
// innermost event of the thread that trains. Null if there is none.
const FlightEvent* current_event(const FlightRecord& record);
// "validation > data > wait for a batch": the activity, and the events that are open in the thread
// of current_event().
std::string position_of(const FlightRecord& record);
// "all_reduce 1842 (bucket 4: blocks.7.up.weight to blocks.7.down.bias)"
std::string name_of(const FlightEvent& collective);
// "0-2, 4"
std::string list_of(const std::vector<int>& ranks);

struct Stall {
  enum class Kind {
    none,
    behind,      // some have not begun the collective in which others wait
    mismatch,    // some called another operation, or the same with other arguments
    collective,  // all are in the same collective
    save,        // some ranks' parts of a save do not proceed
  };
  Kind kind = Kind::none;          // no rank waits for another
  std::vector<int> suspects = {};  // the ranks that are behind, or differ from `waiting`
  std::vector<int> waiting = {};   // the ranks in the collective
  FlightEvent collective = {};     // in which most ranks wait
};

// What holds up the ranks of `records`, which are of one start.
Stall find_stall(const std::vector<FlightRecord>& records);

// One line: "rank 3 on b (process 4711) has been in step > data for 312 s; ranks 0-2, 4-7 wait for
// it in all_reduce 1842 (bucket 4: …)". `unix_now`: ns since 1970. Empty for Stall::Kind::none.
std::string to_string(const Stall& stall, const std::vector<FlightRecord>& records,
                      int64_t unix_now);

// How long the process has not written a heartbeat, in seconds.
double heartbeat_age(const FlightRecord& record, int64_t unix_now);
// A process whose last heartbeat is older than this, in seconds, is stopped, dead or cut off.
inline constexpr double kOldHeartbeat = 10;

}  // namespace ripieno::io
