// Writes a self-contained page that compares several runs. Not installed.
#pragma once

#include <string>
#include <vector>

#include "ripieno/io/files/json.h"
#include "ripieno/io/run/metric_curves.h"

namespace ripieno::io {

class FileSystem;

struct ComparedRun {
  std::string title = {};
  nlohmann::json record = {};  // run.json
  MetricCurves metrics = {};
};

// The HTML of the page: key figures of each run, their curves in one chart each, and a table of
// what differs between their last starts.
std::string comparison_page(const std::vector<ComparedRun>& runs);

// Reads the run directories and writes the page to the file `to`, atomically. Returns a line for
// each thing that could not be read and was left out. Throws StorageError.
std::vector<std::string> write_comparison(FileSystem& files,
                                          const std::vector<std::string>& directories,
                                          const std::string& to);

}  // namespace ripieno::io
