// RunDirectory: creates and locks the directory that contains everything a run writes. RunPaths has
// the names of its files, for all ranks and for tools.
#pragma once

#include <string>

#include "ripieno/io/files/json.h"

namespace ripieno::io {

class FileSystem;

// The paths in a run directory.
struct RunPaths {
  std::string directory;

  std::string record() const { return directory + "/run.json"; }
  std::string metrics() const { return directory + "/metrics.jsonl"; }
  std::string events() const { return directory + "/events"; }
  std::string prometheus() const { return directory + "/metrics.prom"; }
  std::string checkpoints() const { return directory + "/checkpoints"; }
  std::string report() const { return directory + "/report.html"; }
  std::string lock() const { return directory + "/.lock"; }
};

// Holds an exclusive lock on a run directory for its lifetime, so that no two runs write to the
// same one. Only rank 0 creates one; other ranks use RunPaths. The system releases the lock when
// the process ends, also if it is killed.
class RunDirectory {
 public:
  // Creates the directory (durably) if it does not exist, and locks it; waits up to `wait_seconds`
  // for another process to release it. Throws ConfigurationError if it is not writable or still
  // locked. If the file system does not support locks, continues without one.
  explicit RunDirectory(const std::string& path, double wait_seconds = 10);
  ~RunDirectory();
  RunDirectory(const RunDirectory&) = delete;
  RunDirectory& operator=(const RunDirectory&) = delete;

  const RunPaths& paths() const { return paths_; }

 private:
  RunPaths paths_;
  int lock_ = -1;
};

// Appends an entry to run.json, which is {"starts": […]} with one entry per launch of the run.
// Atomic and durable. Called by rank 0. Throws DataError if the existing file is damaged,
// StorageError.
void append_start(FileSystem& files, const RunPaths& paths, const nlohmann::json& start);
// Sets the member "progress" of the last entry: how far that start has come. Atomic and durable.
// Does nothing if there is no entry. Throws as append_start().
void note_progress(FileSystem& files, const RunPaths& paths, const nlohmann::json& progress);
// The content of run.json; {"starts": []} if the file does not exist. Throws as append_start().
nlohmann::json read_record(const RunPaths& paths);

}  // namespace ripieno::io
