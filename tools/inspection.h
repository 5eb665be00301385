// The output of `ripieno inspect`, as text and as JSON.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ripieno/io/files/file_system.h"
#include "ripieno/io/files/json.h"
#include "ripieno/tools/sources/tensor_source.h"

namespace ripieno::tools {

// One of a run's checkpoints. Its tensors are not read.
struct ListedCheckpoint {
  std::string path = {};
  int64_t step = 0;
  int world_size = 0;
  int64_t bytes = 0;     // of its files
  int64_t saved_at = 0;  // seconds since 1970
  // "whole", with the number of NaN and infinite elements if there are any; "unfinished…",
  // "damaged…" and the like; or the message of the error that opening it threw.
  std::string state = {};
};

// Newest first.
std::vector<ListedCheckpoint> list_checkpoints(const io::FileSystem& files,
                                               const std::string& directory);
std::string to_text(const std::vector<ListedCheckpoint>& checkpoints);
nlohmann::json to_json(const std::vector<ListedCheckpoint>& checkpoints);

// Removes the tensors whose name does not match a shell pattern. An empty pattern matches all.
void keep_matching(TensorSource& source, const std::string& pattern);

// Tensors that differ only in the number of their block share a line, unless `one_by_one`.
std::string to_text(const TensorSource& source, bool one_by_one);
nlohmann::json to_json(const TensorSource& source);

}  // namespace ripieno::tools
