#include "ripieno/tools/explain/run/saved.h"

#include "ripieno/core/error.h"
#include "ripieno/io/checkpoint/checkpoint.h"
#include "ripieno/io/checkpoint/step_directory.h"

namespace ripieno::tools::explain {
namespace {

void take_intact(const io::Checkpoint& checkpoint, SavedState& saved) {
  saved.intact_step = checkpoint.step();
  saved.intact_path = checkpoint.path();
  for (const auto& tensor : checkpoint.tensors()) {
    if (tensor.kind == io::StateKind::buffer || tensor.not_finite == 0) continue;
    if (saved.not_finite == 0) saved.not_finite_tensor = tensor.name;
    saved.not_finite += tensor.not_finite;
  }
}

}  // namespace

SavedState read_saved_state(const io::FileSystem& files, const std::string& directory) {
  SavedState saved;
  for (const auto& found : io::step_directories(files, directory)) {
    try {
      if (io::is_unfinished(files, found)) {
        if (saved.unfinished.empty() && !saved.intact_step) saved.unfinished = found.path;
      } else if (found.suffix == io::kDamaged) {
        saved.damaged.push_back(found.path);
      } else if (!saved.intact_step && io::is_candidate(files, found)) {
        take_intact(io::Checkpoint::open(files, found.path), saved);
      }
    } catch (const DataError&) {
      saved.damaged.push_back(found.path);
    } catch (const StorageError&) {
      // An active run removes checkpoints.
      if (!io::has_vanished(files, found.path)) throw;
    }
  }
  return saved;
}

}  // namespace ripieno::tools::explain
