// report.html: one self-contained page that shows a run, from its run.json and metrics.jsonl alone.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "ripieno/io/run/run_directory.h"

namespace ripieno::io {

class FileSystem;
class MetricCurves;

// The page. `record` is run.json; of its last start it shows "configuration" (an object of
// sections), "command", "started_at", "hosts" and "devices" (lists), "world_size", "seed",
// "version", "data_fingerprint" and "resumed_from", as far as they are there.
std::string report_page(const std::string& title, const nlohmann::json& record,
                        const MetricCurves& metrics, const std::vector<std::string>& checkpoints);

// Reads the run directory and writes its report.html, whole or not at all. A line for people about
// what could not be read and is not in it; empty where all could. Throws StorageError.
std::string write_report(FileSystem& files, const RunPaths& paths);

}  // namespace ripieno::io
