// The paths of what each rank records in a run directory: ranks/rank_00003/…
#pragma once

#include <string>

namespace ripieno::io {

// Records of earlier starts that are kept beside that of the last one.
inline constexpr int kKeptFlightRecords = 3;

std::string ranks_directory(const std::string& run_directory);
// "run/ranks/rank_00003"
std::string rank_directory(const std::string& run_directory, int rank);

// In the directory of a rank. `age`: 0 for the last start, n for the n-th start before it.
// "flight_record.bin", "flight_record.1.bin"
std::string flight_path(const std::string& directory, int age = 0);
// "flight_record.copy"
std::string flight_copy_path(const std::string& directory, int age = 0);
// The stacks of all threads, written when the watchdog or a signal ends the process: "stacks.txt"
std::string stacks_path(const std::string& directory, int age = 0);

}  // namespace ripieno::io
