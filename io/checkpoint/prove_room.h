// prove_room(): checks at startup that the disk has space for the checkpoints of a run, before the
// run spends time on training.
#pragma once

#include <cstdint>
#include <limits>
#include <string>

#include "ripieno/io/checkpoint/retention.h"
#include "ripieno/io/checkpoint/state.h"
#include "ripieno/io/files/file_system.h"

namespace ripieno::io {

// Estimated size in bytes (on the high side) of a checkpoint of this state saved by `ranks` ranks:
// the data of its tensors, and the metadata of its files.
int64_t checkpoint_bytes(const State& whole, int ranks);

struct RoomNeeded {
  int64_t bytes = 0;    // size of one checkpoint
  int64_t saves = 1;    // number of saves that the run may still make; 0: nothing is checked
  Retention keep = {};  // keep.every is not counted: it is not known how long those are kept
  // Step from which the run resumes: checkpoints up to it belong to the run and will be replaced by
  // newer ones. -1: none do.
  int64_t resumed_step = std::numeric_limits<int64_t>::max();
};

// Called by rank 0 only, while no other run uses the directory. Throws StorageError if the file
// system has no space for as many checkpoints as will exist at the same time: those that are kept
// and the one being written (if all are kept: one). Removes remains of interrupted saves first, as
// every save does. Detects neither quotas nor a lack of space on file systems that do not report
// their size. Leaves no files behind.
void prove_room(FileSystem& files, const std::string& checkpoints_directory,
                const RoomNeeded& needed);

}  // namespace ripieno::io
