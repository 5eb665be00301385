// Retention: which checkpoints of a run are kept once a new one stands.
#pragma once

#include <cstdint>
#include <string>

#include "ripieno/io/files/file_system.h"

namespace ripieno::io {

// A checkpoint is kept where any of these keeps it. The newest whose numbers are all finite is kept
// besides.
struct Retention {
  int newest = 3;     // so many of the newest; 0 keeps all
  int64_t every = 0;  // those whose step is a multiple of it; 0: none
  int best = 0;       // so many of the best by `metric`, of those whose training state has it
  // A member of the training state's "measured", a number. Names that end in "loss" are better
  // where they are smaller, others where they are larger.
  std::string metric = "validation_loss";
};

// Whether a value of the metric is better than another.
bool is_better(const std::string& metric, double value, double than);

// Removes what is kept by nothing, of the checkpoints up to `newest_step`: later ones belong to a
// run that went back. One that is damaged is not counted, and kept where its step is; one that
// could not be read is neither counted nor removed: the error may pass. Throws StorageError.
void remove_surplus(FileSystem& files, const std::string& checkpoints_directory,
                    int64_t newest_step, const Retention& retention);

}  // namespace ripieno::io
