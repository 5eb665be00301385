// The trace of a profile, in the Trace Event format (JSON) that Perfetto and chrome://tracing read.
//
// Ranks are processes of one trace. The file is header, the events of one rank after another, and
// footer; within a rank, events are sorted by time.
#pragma once

#include <cstdint>
#include <string>

#include "ripieno/training/profile/recorded.h"

namespace ripieno::profiles {

std::string trace_header();
// The events of one rank: complete events, and the names of process and threads. `start`: of the
// recording, in ns after that of the trace.
std::string trace_events(const Recorded& recorded, int rank, const std::string& host,
                         int64_t start);
// `table`: text for people who read the file.
std::string trace_footer(const std::string& table);

}  // namespace ripieno::profiles
