// RunDirectory: where a run keeps all it writes, for every rank of it and for the tools that read
// it.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace ripieno::io {

class FileSystem;

// The names in a run directory.
struct RunPaths {
  std::string directory;

  std::string record() const { return directory + "/run.json"; }
  std::string metrics() const { return directory + "/metrics.jsonl"; }
  std::string checkpoints() const { return directory + "/checkpoints"; }
  std::string report() const { return directory + "/report.html"; }
  std::string lock() const { return directory + "/.lock"; }
};

// Holds a run directory for as long as it lives, so that two runs never write to the same one. For
// rank 0; the other ranks need RunPaths alone. The hold ends with the process, however that ends.
class RunDirectory {
 public:
  // Makes the directory where it is missing. Throws ConfigurationError where it cannot be written,
  // or another process still holds it after `wait_seconds`. Where the file system has no locks,
  // goes on without.
  explicit RunDirectory(const std::string& path, double wait_seconds = 10);
  ~RunDirectory();
  RunDirectory(const RunDirectory&) = delete;
  RunDirectory& operator=(const RunDirectory&) = delete;

  const RunPaths& paths() const { return paths_; }

 private:
  RunPaths paths_;
  int lock_ = -1;
};

// run.json is {"starts": […]}: an entry for each time that the run was started. Whole or as it was,
// as it is replaced. Throws DataError where the file there cannot be read.
void append_start(FileSystem& files, const RunPaths& paths, const nlohmann::json& start);
// {"starts": []} where there is no file.
nlohmann::json read_record(const RunPaths& paths);

}  // namespace ripieno::io
