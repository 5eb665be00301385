// Reads stacks.txt, which a rank writes when its watchdog or a crash ends it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "ripieno/io/files/file_system.h"
#include "ripieno/io/run/ranks/flight_record.h"

namespace ripieno::tools::explain {

// The functions of a thread's stack, innermost first: names without offsets, or the module and the
// offset of frames without a name. At most 64; empty if the text has no such thread.
std::vector<std::string> parse_stack(std::string_view text, int thread);

// The stack of the thread that trains; empty if there is none of this start. Throws StorageError.
std::vector<std::string> read_stack(const io::FileSystem& files, const std::string& run_directory,
                                    const io::FlightRecord& record);

}  // namespace ripieno::tools::explain
