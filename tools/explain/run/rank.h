// Rank: what is known of one rank of a run: its flight record, whether its process still exists,
// and how it ended.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ripieno/io/run/ranks/flight_record.h"

namespace ripieno::tools::explain {

enum class Life {
  running,  // its heartbeat is fresh
  stopped,  // its process exists, but a signal or a debugger has stopped it
  ended,    // it recorded its end, or the launcher did
  gone,     // its process does not exist, and nothing recorded an end
  silent,   // no heartbeat, and its process cannot be looked at: killed, stopped, or its host is
            // lost
};

// How `ripieno launch` saw the process of a rank end.
struct LaunchedEnd {
  int rank = 0;
  int process = 0;
  int status = 0, signal = 0;
  bool asked_to_end = false;  // mpirun had sent it SIGTERM already
  double time = 0;            // seconds since 1970, by the clock of its host
  std::string last_words = {};
};

struct Rank {
  io::FlightRecord record;  // without most events and the names of buckets
  Life life = Life::running;
  std::optional<LaunchedEnd> launched = {};
  std::vector<std::string> stack = {};  // of the thread that trains, innermost first; often empty

  int number() const { return record.rank; }
  const std::string& host() const { return record.host; }
};

// What the process of a record is doing, if it is one of this host. 'T': stopped; '-': it does not
// exist. Empty if that cannot be known.
std::optional<char> process_state(const io::FlightRecord& record);

// `now`: ns since 1970.
Life life_of(const io::FlightRecord& record, const std::optional<LaunchedEnd>& launched,
             int64_t now);

// Reopens the events that an exception closed while it ended the process, so that the record says
// what the rank was waiting in.
void reopen_failed_events(io::FlightRecord& record);

// "data", "forward", "backward", "communication", "optimizer", "save", "validation", "load",
// "start", "end" or "step": what the rank does, or did last.
std::string phase_of(const io::FlightRecord& record);
// Since when, in ns since 1970.
int64_t phase_since(const io::FlightRecord& record);
// The last moment of which the record says something, in ns since 1970.
int64_t last_known(const Rank& rank);

// "rank 3 (host b, pid 4711)"
std::string who(const Rank& rank);
// "rank 3", "ranks 0-2, 4-7"
std::string ranks_text(const std::vector<int>& ranks);

}  // namespace ripieno::tools::explain
