// What `ripieno doctor` finds out about the storage of a run directory.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ripieno/io/files/file_system.h"
#include "ripieno/tools/doctor/finding.h"
#include "ripieno/tools/doctor/host_facts.h"

namespace ripieno::tools::doctor {

struct StorageFacts {
  std::string directory = {};  // the run directory, or the nearest parent that exists
  bool has_answered = true;
  bool is_directory = true;
  bool is_read_only = false;
  bool is_writable = true;          // by this user
  std::optional<Space> space = {};  // empty: the file system does not report it
  std::string failure = {};         // message of the first operation that failed
  double write_bytes_per_second = 0, read_bytes_per_second = 0;  // 0: not measured
  double clock_difference_seconds = 0;                           // storage minus host
};

// Writes, syncs, renames, reads and removes a file beside or in `directory`; nothing is left. Takes
// at most `seconds`. `files` must live as long as the process.
StorageFacts probe_storage(io::FileSystem& files, const std::string& directory, double seconds);

// Finds the directory only.
StorageFacts find_storage(io::FileSystem& files, const std::string& directory, double seconds);

// `needed_bytes`: of two checkpoints; 0: unknown.
std::vector<Finding> check_storage(const StorageFacts& facts, const std::string& host,
                                   int64_t needed_bytes);

}  // namespace ripieno::tools::doctor
