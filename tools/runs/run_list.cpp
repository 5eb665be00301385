#include "ripieno/tools/runs/run_list.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <time.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "ripieno/core/error.h"
#include "ripieno/io/run/metrics.h"
#include "ripieno/io/run/progress.h"
#include "ripieno/io/run/ranks/paths.h"
#include "ripieno/io/run/record_differences.h"
#include "ripieno/io/run/run_directory.h"
#include "ripieno/tools/table.h"
#include "ripieno/tools/watch/run_reader.h"
#include "ripieno/training/session/exit_status.h"

namespace ripieno::tools::runs {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr int kMostLevels = 6;

bool is_run(const std::string& directory) {
  const io::RunPaths paths{directory};
  std::error_code error;
  return fs::is_regular_file(paths.record(), error) ||
         fs::is_regular_file(paths.metrics(), error) ||
         fs::is_directory(io::ranks_directory(directory), error);
}

void find_below(const std::string& directory, int levels, FoundRuns& found) {
  if (is_run(directory)) {
    found.paths.push_back(directory);
    return;
  }
  if (levels == 0) return;
  std::error_code error;
  std::vector<std::string> folders;
  for (fs::directory_iterator entry(directory, error), end; !error && entry != end;
       entry.increment(error)) {
    std::error_code ignored;
    if (entry->symlink_status(ignored).type() == fs::file_type::directory)
      folders.push_back(entry->path());
  }
  if (error) found.remarks.push_back(fmt::format("cannot list {}: {}", directory, error.message()));
  std::sort(folders.begin(), folders.end());
  for (const auto& folder : folders) find_below(folder, levels - 1, found);
}

// Seconds since 1970 of "2026-12-01T02:03:04Z"; empty if it is not a time.
std::optional<double> seconds_of(const std::string& text) {
  tm time = {};
  const char* end = ::strptime(text.c_str(), "%Y-%m-%dT%H:%M:%SZ", &time);
  return end && *end == '\0' ? std::optional(static_cast<double>(::timegm(&time))) : std::nullopt;
}

// A clock that was set back makes it 0.
double hours_of(const std::string& metrics, const std::string& started_at) {
  const auto begin = seconds_of(started_at);
  struct stat status = {};
  if (!begin || ::stat(metrics.c_str(), &status) != 0) return 0;
  return std::max(0.0, (static_cast<double>(status.st_mtime) - *begin) / 3600);
}

// "cuda" for ["cuda:0", "cuda:1"]
std::string device_of(const json& start) {
  const auto devices = start.find("devices");
  if (devices == start.end() || !devices->is_array() || devices->empty()) return "";
  if (!devices->front().is_string()) return "";
  const auto name = devices->front().get<std::string>();
  return name.substr(0, name.find_first_of(":,"));
}

void take_start(RunSummary& summary) {
  const io::RunPaths paths{summary.path};
  const json start = io::last_start_of(io::read_record(paths));
  summary.device = device_of(start);
  if (const auto time = start.find("started_at"); time != start.end() && time->is_string())
    summary.started_at = time->get<std::string>();
  if (const auto size = start.find("world_size"); size != start.end() && size->is_number_integer())
    summary.ranks = size->get<int>();
  summary.hours = hours_of(paths.metrics(), summary.started_at);
}

void take_snapshot(const watch::Snapshot& snapshot, RunSummary& summary) {
  namespace metric = io::metric;
  const auto& newest = snapshot.measured.newest;
  summary.state = watch::name_of(snapshot.state);
  summary.problem = snapshot.remark;
  summary.step = snapshot.step;
  summary.steps = snapshot.steps;
  summary.loss = newest.get(metric::kLoss);
  summary.validation_loss = newest.get(metric::kValidationLoss);
  summary.units_per_s = newest.get(metric::kTokensPerSecond);
  summary.unit = summary.units_per_s ? "tokens" : "samples";
  if (!summary.units_per_s) summary.units_per_s = newest.get(metric::kSamplesPerSecond);
}

RunSummary summary_of(const io::FileSystem& files, const std::string& path) {
  RunSummary summary{.path = path, .state = "unreadable"};
  try {
    take_snapshot(watch::RunReader(files, path, /*diagnoses=*/false).read(), summary);
    take_start(summary);
  } catch (const Error& error) {
    summary.problem = error.what();
  }
  return summary;
}

// "2026-12-01 02:03" for "2026-12-01T02:03:04Z"
std::string minute_of(std::string time) {
  if (!seconds_of(time)) return time.empty() ? "–" : time;
  time[10] = ' ';
  return time.substr(0, 16);
}

std::string number(const std::optional<double>& value) {
  return value ? io::loss_text(*value) : "–";
}

json number_json(const std::optional<double>& value) { return value ? json(*value) : json(); }

}  // namespace

FoundRuns find_runs(const std::string& directory) {
  std::error_code error;
  if (!fs::is_directory(directory, error)) throw UsageError(directory + ": no such directory");
  FoundRuns found;
  find_below(directory, kMostLevels, found);
  return found;
}

std::vector<RunSummary> summarize(const io::FileSystem& files,
                                  const std::vector<std::string>& paths) {
  std::vector<RunSummary> runs;
  for (const auto& path : paths) runs.push_back(summary_of(files, path));
  std::stable_sort(runs.begin(), runs.end(),
                   [](const auto& a, const auto& b) { return a.started_at > b.started_at; });
  return runs;
}

std::string to_text(const std::vector<RunSummary>& runs, const std::vector<std::string>& remarks) {
  Table table("llrrrrrrll");
  table.add({"run", "state", "step", "loss", "validation", "rate", "hours", "ranks", "device",
             "started"});
  std::string problems;
  for (const auto& run : runs) {
    const std::string of = run.steps > 0 ? "/" + io::with_thousands(run.steps) : "";
    const std::string rate =
        run.units_per_s
            ? fmt::format("{} {}/s", io::rounded_with_thousands(*run.units_per_s), run.unit)
            : "–";
    table.add({run.path, run.state, io::with_thousands(run.step) + of, number(run.loss),
               number(run.validation_loss), rate, fmt::format("{:.2f}", run.hours),
               run.ranks > 0 ? std::to_string(run.ranks) : "–", run.device,
               minute_of(run.started_at)});
    if (!run.problem.empty()) problems += "Not read: " + run.problem + "\n";
  }
  for (const auto& remark : remarks) problems += "Not read: " + remark + "\n";
  return (runs.empty() ? "" : table.text()) + problems;
}

json to_json(const std::vector<RunSummary>& runs, const std::vector<std::string>& remarks) {
  json list = json::array();
  for (const auto& run : runs) {
    list.push_back({{"path", run.path},
                    {"state", run.state},
                    {"problem", run.problem.empty() ? json() : json(run.problem)},
                    {"step", run.step},
                    {"steps", run.steps > 0 ? json(run.steps) : json()},
                    {"loss", number_json(run.loss)},
                    {"validation_loss", number_json(run.validation_loss)},
                    {"units_per_s", number_json(run.units_per_s)},
                    {"unit", run.unit},
                    {"hours", run.hours},
                    {"ranks", run.ranks > 0 ? json(run.ranks) : json()},
                    {"device", run.device},
                    {"started_at", run.started_at.empty() ? json() : json(run.started_at)}});
  }
  return {{"runs", list}, {"not_read", remarks}};
}

}  // namespace ripieno::tools::runs
