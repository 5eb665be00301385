#include "ripieno/training/run/run_checkpoints.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <filesystem>
#include <optional>
#include <sstream>
#include <system_error>

#include "ripieno/core/error.h"
#include "ripieno/distributed/communicators/exchange.h"
#include "ripieno/io/checkpoint/step_directory.h"
#include "ripieno/io/files/file_system.h"

namespace ripieno {
namespace {

// On storage without rename, the checkpoint is marked instead and keeps its name.
void set_aside_checkpoint(io::FileSystem& files, const std::string& path) {
  try {
    set_aside(files, path);
  } catch (const StorageError&) {
    io::mark_set_aside(files, path);
  }
}

// A run directory, or its checkpoints directory, is a likely mistake.
void require_checkpoint(const io::FileSystem& files, const std::string& path) {
  if (!files.exists(path))
    throw ConfigurationError(fmt::format("--resume {}: no such checkpoint", path));
  std::error_code ignored;
  for (const std::string& directory : {path, path + "/checkpoints"}) {
    const bool holds_some = !files.exists(path + "/" + std::string(io::kManifestName)) &&
                            std::filesystem::is_directory(directory, ignored);
    const auto found =
        holds_some ? io::candidates_in(files, directory) : std::vector<std::string>{};
    if (!found.empty())
      throw ConfigurationError(
          fmt::format("--resume {}: a directory of checkpoints, not a checkpoint; the newest is {}",
                      path, found.front()));
  }
}

}  // namespace

void set_aside(io::FileSystem& files, const std::string& path) {
  if (!files.exists(path)) return;
  std::string name = path + ".set_aside";
  for (int i = 2; files.exists(name); ++i) name = fmt::format("{}.set_aside_{}", path, i);
  files.rename(path, name);
  files.sync_directory(io::parent_of(path));
}

RunCheckpoints::RunCheckpoints(Session& session, std::string directory)
    : session_(session), directory_(std::move(directory)) {}

RunCheckpoints::Resumed RunCheckpoints::resume(const std::string& from, const Load& load) {
  if (from == "never") return {};
  const auto& files = io::local_files();
  if (from != "auto") {
    session_.together([&] {
      if (session_.rank() == 0) require_checkpoint(files, from);
    });
    session_.together(
        [&] { load(io::Checkpoint::open(files, from), {.verification_part = session_}); });
    return {from, {}};
  }
  std::vector<std::string> rejected;
  for (const std::string& path : candidates()) {
    const std::string refusal = refusal_of(path, load);
    if (refusal.empty()) return {path, rejected};
    rejected.push_back(refusal);
  }
  session_.together([&] {
    if (!rejected.empty())
      throw DataError(
          fmt::format("no intact checkpoint: {}; use --resume never to start from step 0",
                      fmt::join(rejected, "; ")));
  });
  return {};
}

// The candidates that rank 0 finds; others may see other files on shared storage.
std::vector<std::string> RunCheckpoints::candidates() {
  std::string lines;
  session_.together([&] {
    if (session_.rank() != 0) return;
    lines = fmt::format("{}", fmt::join(io::candidates_in(io::local_files(), directory_), "\n"));
  });
  lines = from_rank_0(session_.communicator(), lines);
  std::vector<std::string> paths;
  std::istringstream stream(lines);
  for (std::string path; std::getline(stream, path);) paths.push_back(path);
  return paths;
}

// The error of the lowest rank that finds it damaged; empty if none does.
std::string RunCheckpoints::refusal_of(const std::string& path, const Load& load) {
  std::string refusal;
  session_.together([&] {
    try {
      // Storage may not have been able to report this when the candidates were listed.
      if (session_.rank() == 0 && io::is_set_aside(io::local_files(), path))
        throw StorageError(path + ": set aside by an earlier start");
      load(io::Checkpoint::open(io::local_files(), path), {.verification_part = session_});
    } catch (const DataError& error) {
      refusal = error.what();
    } catch (const StorageError& error) {
      refusal = error.what();
    }
  });
  for (auto& text : gather(session_.communicator(), refusal)) {
    if (!text.empty()) return text;
  }
  return "";
}

void RunCheckpoints::set_aside_after(int64_t step) {
  session_.together([&] {
    auto& files = io::local_files();
    if (session_.rank() != 0 || !files.exists(directory_)) return;
    for (const auto& found : io::step_directories(files, directory_)) {
      if (found.step > step && io::is_candidate(files, found))
        set_aside_checkpoint(files, found.path);
    }
  });
}

}  // namespace ripieno
