// What `ripieno inspect` says, as text for people and as JSON for programs.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "ripieno/io/files/file_system.h"
#include "ripieno/tools/sources/tensor_source.h"

namespace ripieno::tools {

// One of a run's checkpoints, as its headers show it.
struct ListedCheckpoint {
  std::string path = {};
  int64_t step = 0;
  int world_size = 0;
  int64_t bytes = 0;       // of its files
  int64_t saved_at = 0;    // seconds since 1970
  std::string state = {};  // "whole", "being written", "replaced", or why it cannot be read
};

// Newest first.
std::vector<ListedCheckpoint> list_checkpoints(const io::FileSystem& files,
                                               const std::string& directory);
std::string to_text(const std::vector<ListedCheckpoint>& checkpoints);
nlohmann::json to_json(const std::vector<ListedCheckpoint>& checkpoints);

// Forgets the tensors whose name does not fit a pattern of the shell's; all fit an empty one.
void keep_fitting(TensorSource& source, const std::string& pattern);

// Tensors that only the number of their block tells apart share a line, unless `one_by_one`.
std::string to_text(const TensorSource& source, bool one_by_one);
nlohmann::json to_json(const TensorSource& source);

}  // namespace ripieno::tools
