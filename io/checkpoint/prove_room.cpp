#include "ripieno/io/checkpoint/prove_room.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "ripieno/core/error.h"
#include "ripieno/io/checkpoint/step_directory.h"

namespace ripieno::io {
namespace {

int64_t product(int64_t a, int64_t b) {
  int64_t result = 0;
  return __builtin_mul_overflow(a, b, &result) ? std::numeric_limits<int64_t>::max() : result;
}

// By how much the number of checkpoints on disk will exceed the `found` existing ones, at most.
int64_t additional_checkpoints(const RoomNeeded& needed, int64_t found) {
  if (needed.keep.newest <= 0) return 1;
  const int64_t kept = int64_t{needed.keep.newest} + needed.keep.best;
  const int64_t replaced = std::min(found, kept);
  return std::max<int64_t>(1, std::min(replaced + needed.saves, kept + 1) - replaced);
}

void remove_unfinished(FileSystem& files, const std::string& checkpoints_directory) {
  for (const StepDirectory& found : step_directories(files, checkpoints_directory)) {
    if (is_unfinished(files, found)) files.remove_all(found.path);
  }
}

int64_t existing_checkpoints(const FileSystem& files, const std::string& checkpoints_directory,
                             int64_t newest_step) {
  const auto all = step_directories(files, checkpoints_directory);
  return std::count_if(all.begin(), all.end(), [&](const StepDirectory& found) {
    return found.step <= newest_step && is_candidate(files, found);
  });
}

// WritableFile::reserve() compares the announced size with the free space.
void check_space(FileSystem& files, const std::string& path, const RoomNeeded& needed,
                 int64_t count) {
  const auto file = files.create(path);
  try {
    file->reserve(product(count, needed.bytes));
  } catch (const StorageError& error) {
    const std::string purpose =
        count == 1
            ? "a checkpoint"
            : fmt::format("{} checkpoints at once; a smaller checkpoint.keep reduces their number",
                          count);
    throw StorageError(fmt::format("{}, for {}", error.what(), purpose));
  }
}

}  // namespace

int64_t checkpoint_bytes(const State& whole, int ranks) {
  // Metadata: each tensor is described in a shard, in the view and in the manifest.
  constexpr int64_t kPerFile = 2 << 10, kPerTensor = 3 << 9;
  int64_t bytes = kPerFile * (int64_t{ranks} + 2);
  for (const StateTensor& tensor : whole)
    bytes += static_cast<int64_t>(bytes_of(tensor.shape.elements(), tensor.dtype)) + kPerTensor;
  return bytes;
}

void prove_room(FileSystem& files, const std::string& checkpoints_directory,
                const RoomNeeded& needed) {
  const std::string directory = checkpoints_directory + "/" + std::string(kProbeName);
  if (needed.saves <= 0) return;
  remove_unfinished(files, checkpoints_directory);
  const int64_t found = existing_checkpoints(files, checkpoints_directory, needed.resumed_step);
  files.make_directories(directory);
  try {
    check_space(files, directory + "/room", needed, additional_checkpoints(needed, found));
  } catch (const StorageError&) {
    try {
      files.remove_all(directory);
    } catch (const StorageError&) {  // the next probe removes it
    }
    throw;
  }
  files.remove_all(directory);
}

}  // namespace ripieno::io
