#include <fmt/chrono.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <ctime>
#include <nlohmann/json.hpp>

#include "ripieno/core/error.h"
#include "ripieno/io/checkpoint/checkpoint.h"
#include "ripieno/io/checkpoint/step_directory.h"
#include "ripieno/io/run/progress.h"
#include "ripieno/tools/inspection.h"
#include "ripieno/tools/table.h"

namespace ripieno::tools {
namespace {

int64_t modified_at(const std::string& path) {
  struct stat status;
  return ::stat(path.c_str(), &status) == 0 ? status.st_mtime : 0;
}

int64_t bytes_in(const std::string& directory, const std::vector<std::string>& names) {
  int64_t bytes = 0;
  struct stat status;
  for (const std::string& name : names) {
    if (::stat((directory + "/" + name).c_str(), &status) == 0) bytes += status.st_size;
  }
  return bytes;
}

std::string state_of(const io::FileSystem& files, const io::StepDirectory& found) {
  if (io::is_unfinished(files, found)) return "unfinished: being written or interrupted";
  if (found.suffix == io::kDamaged) return "damaged, set aside";
  if (found.suffix == io::kReplaced) return "whole, replaced by a later save";
  return io::is_candidate(files, found) ? "whole" : "set aside";
}

// Verifies the checksum of the manifest, not those of the tensor data.
void open(const io::FileSystem& files, ListedCheckpoint& listed) {
  try {
    const auto checkpoint = io::Checkpoint::open(files, listed.path);
    listed.world_size = checkpoint.world_size();
    int64_t not_finite = 0;
    for (const auto& tensor : checkpoint.tensors())
      not_finite += tensor.kind == io::StateKind::buffer ? 0 : tensor.not_finite;
    if (not_finite > 0)
      listed.state += fmt::format(", but {} NaN or infinite", counted(not_finite, "element"));
  } catch (const Error& error) {
    listed.state = error.what();
  }
}

std::string local_time(int64_t seconds) {
  if (seconds == 0) return "";
  const auto time = static_cast<std::time_t>(seconds);
  return fmt::format("{:%Y-%m-%d %H:%M:%S}", fmt::localtime(time));
}

}  // namespace

std::vector<ListedCheckpoint> list_checkpoints(const io::FileSystem& files,
                                               const std::string& directory) {
  std::vector<ListedCheckpoint> list;
  for (const auto& found : io::step_directories(files, directory)) {
    ListedCheckpoint listed{.path = found.path, .step = found.step};
    try {
      listed.state = state_of(files, found);
      listed.bytes = bytes_in(found.path, files.names_in(found.path));
      listed.saved_at = modified_at(fmt::format("{}/{}", found.path, io::kManifestName));
      if (io::is_candidate(files, found)) open(files, listed);
    } catch (const StorageError& error) {
      if (io::has_vanished(files, found.path)) continue;
      listed.state = error.what();
    }
    list.push_back(std::move(listed));
  }
  return list;
}

std::string to_text(const std::vector<ListedCheckpoint>& checkpoints) {
  Table table("rrrll");
  table.add({"step", "size", "ranks", "saved", "state"});
  for (const ListedCheckpoint& listed : checkpoints)
    table.add({io::with_thousands(listed.step), readable_bytes(listed.bytes),
               listed.world_size > 0 ? std::to_string(listed.world_size) : "",
               local_time(listed.saved_at), listed.state});
  return table.text();
}

nlohmann::json to_json(const std::vector<ListedCheckpoint>& checkpoints) {
  nlohmann::json list = nlohmann::json::array();
  for (const ListedCheckpoint& listed : checkpoints)
    list.push_back({{"path", listed.path},
                    {"step", listed.step},
                    {"world_size", listed.world_size},
                    {"bytes", listed.bytes},
                    {"saved_at", listed.saved_at},
                    {"state", listed.state}});
  return list;
}

}  // namespace ripieno::tools
