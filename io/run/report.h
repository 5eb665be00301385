// Writes report.html, a self-contained page that summarizes a run, from its run.json and
// metrics.jsonl.
#pragma once

#include <string>
#include <vector>

#include "ripieno/io/files/json.h"
#include "ripieno/io/run/run_directory.h"

namespace ripieno::io {

class FileSystem;
class MetricCurves;

// Returns the HTML of the page. `record`: run.json; shows, if present in its last start,
// "configuration" (an object of sections), "command", "started_at", "hosts" and "devices" (lists,
// one entry per rank), "world_size", "seed", "version", "data_fingerprint" and "resumed_from".
// `checkpoints`: names of checkpoints to list.
std::string report_page(const std::string& title, const nlohmann::json& record,
                        const MetricCurves& metrics, const std::vector<std::string>& checkpoints);

// Reads the run directory and writes its report.html, or the file `to`, atomically. Returns a
// one-line message about damaged data that was left out; empty if there is none. Called by rank 0.
// Throws StorageError.
std::string write_report(FileSystem& files, const RunPaths& paths, const std::string& to = "");

}  // namespace ripieno::io
