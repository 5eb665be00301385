#include "ripieno/tools/launch/progress.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "ripieno/io/run/metrics_lines.h"
#include "ripieno/io/run/run_directory.h"

namespace ripieno::tools {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kMostOldBytes = 4 << 20;  // of what earlier launches wrote

double seconds_of(const statx_timestamp& time) {
  return static_cast<double>(time.tv_sec) + 1e-9 * time.tv_nsec;
}

// From the creation of the directory to the last change of its manifest; 0 if unknown.
double seconds_of_save(const fs::path& checkpoint) {
  struct statx directory = {}, manifest = {};
  const fs::path file = checkpoint / "manifest.json";
  if (statx(AT_FDCWD, checkpoint.c_str(), 0, STATX_BTIME, &directory) != 0 ||
      statx(AT_FDCWD, file.c_str(), 0, STATX_MTIME, &manifest) != 0)
    return 0;
  if ((directory.stx_mask & STATX_BTIME) == 0) return 0;
  return std::max(0.0, seconds_of(manifest.stx_mtime) - seconds_of(directory.stx_btime));
}

}  // namespace

RunProgress::RunProgress(const std::string& directory) {
  const io::RunPaths paths{directory};
  metrics_ = paths.metrics();
  checkpoints_ = paths.checkpoints();
  read_lines(/*is_new=*/false);
  read_checkpoints(/*is_new=*/false);
}

void RunProgress::update() {
  read_lines(/*is_new=*/true);
  read_checkpoints(/*is_new=*/true);
}

void RunProgress::read_lines(bool is_new) {
  std::ifstream file(metrics_, std::ios::binary);
  file.seekg(0, std::ios::end);
  if (!file) return;
  const int64_t size = file.tellg();
  if (size < offset_) offset_ = 0;  // another file
  if (!is_new && size > kMostOldBytes) skip_to_line_after(file, size - kMostOldBytes);
  file.seekg(offset_);
  for (std::string line; std::getline(file, line) && !file.eof();) {
    offset_ = file.tellg();
    read_line(line, is_new);
  }
}

void RunProgress::skip_to_line_after(std::istream& file, int64_t offset) {
  std::string rest;
  file.seekg(offset);
  if (std::getline(file, rest) && !file.eof()) offset_ = file.tellg();
}

void RunProgress::read_line(const std::string& line, bool is_new) {
  const auto found = io::step_of(line);
  if (!found || found->is_branch) return;
  newest_ = std::max(newest_, found->step);
  has_finished_ = has_finished_ || is_new;
  if (line.size() > io::kLongestLine) return;
  const auto values = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!values.is_object() || !values.contains("seconds")) return;
  const auto value_of = [&](const char* phase) {
    const auto& seconds = values["seconds"];
    return seconds.is_object() && seconds.contains(phase) && seconds[phase].is_number()
               ? seconds[phase].get<double>()
               : 0.0;
  };
  const double waited = value_of("checkpoint");
  step_seconds_ = std::max(step_seconds_, value_of("total") - waited);
  waited_ = std::max(waited_, waited);
}

// For programs that keep checkpoints but no metrics.
void RunProgress::read_checkpoints(bool is_new) {
  std::error_code error;
  for (fs::directory_iterator entry(checkpoints_, error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string name = entry->path().filename();
    long long step = 0;
    int length = 0;
    if (std::sscanf(name.c_str(), "step_%lld%n", &step, &length) != 1) continue;
    const bool is_whole = static_cast<std::size_t>(length) == name.size() || name[length] == '@';
    if (!is_whole || step <= newest_checkpoint_ || !fs::exists(entry->path() / "manifest.json"))
      continue;
    newest_checkpoint_ = step;
    has_finished_ = has_finished_ || (is_new && step > newest_);
    newest_ = std::max<int64_t>(newest_, step);
    saved_seconds_ = std::max(saved_seconds_, seconds_of_save(entry->path()));
  }
}

double RunProgress::save_seconds() const { return std::max(waited_, saved_seconds_); }

std::optional<std::string> run_directory_in(const std::vector<std::string>& program) {
  std::optional<std::string> directory, configuration;
  const auto take = [&](std::size_t i, const std::string& option,
                        std::optional<std::string>& into) {
    if (program[i] == option && i + 1 < program.size()) into = program[i + 1];
    if (program[i].starts_with(option + "=")) into = program[i].substr(option.size() + 1);
  };
  for (std::size_t i = 1; i < program.size(); ++i) {
    take(i, "--run-dir", directory);
    take(i, "--config", configuration);
  }
  if (directory) return directory;
  if (!configuration) return std::nullopt;
  return "runs/" + fs::path(*configuration).stem().string();
}

}  // namespace ripieno::tools
