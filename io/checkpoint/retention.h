// Retention: which checkpoints of a run are kept after a new one is committed.
#pragma once

#include <cstdint>
#include <string>

#include "ripieno/io/files/file_system.h"

namespace ripieno::io {

// A checkpoint is kept if any of these rules selects it. In addition, the newest checkpoint whose
// parameters and optimizer state are all finite is always kept.
struct Retention {
  int newest = 3;     // number of newest checkpoints to keep; 0 keeps all
  int64_t every = 0;  // keep checkpoints whose step is a multiple of this; 0: none
  int best = 0;       // number of checkpoints with the best `metric` to keep
  // Name of a number in the object "measured" of the training state; checkpoints without it are not
  // ranked. If the name ends in "loss", smaller is better, otherwise larger.
  std::string metric = "validation_loss";
};

// Whether `value` of the metric is better than `than`.
bool is_better(const std::string& metric, double value, double than);

// Removes checkpoints that no rule keeps, among those up to `newest_step`; later ones are from
// before the run resumed from an earlier step. A damaged checkpoint does not count as one of the
// newest and is removed once there are enough newer ones, unless its step is selected. A checkpoint
// that cannot be read is neither counted nor removed, since the error may be temporary. Called by
// rank 0. Throws StorageError.
void remove_surplus(FileSystem& files, const std::string& checkpoints_directory,
                    int64_t newest_step, const Retention& retention);

}  // namespace ripieno::io
