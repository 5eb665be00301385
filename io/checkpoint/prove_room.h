// prove_room(): that the disk has room for the checkpoints of a run, before it spends time on what
// could not be kept.
#pragma once

#include <cstdint>
#include <limits>
#include <string>

#include "ripieno/io/checkpoint/retention.h"
#include "ripieno/io/checkpoint/state.h"
#include "ripieno/io/files/file_system.h"

namespace ripieno::io {

// What a checkpoint of this state takes, saved by that many ranks: its numbers, and about as much
// as the headers of its files and its manifest take.
int64_t checkpoint_bytes(const State& whole, int ranks);

struct RoomNeeded {
  int64_t bytes = 0;    // of a checkpoint
  int64_t saves = 1;    // that the run may still make
  Retention keep = {};  // keep.every is not counted: nobody knows how long those are left there
  // The checkpoints up to this step are earlier ones of the run, and go when newer ones stand.
  int64_t resumed_step = std::numeric_limits<int64_t>::max();
};

// For rank 0 of a run that has the directory to itself. Throws StorageError where the file system
// has no room for as many checkpoints as will be there at once: those that are kept, and the one
// that is being written; where all are kept, one. What saves cut short have left is removed first,
// as each save does. A file system that does not count its space is not asked, and a quota is not
// seen. Leaves nothing behind.
void prove_room(FileSystem& files, const std::string& checkpoints_directory,
                const RoomNeeded& needed);

}  // namespace ripieno::io
