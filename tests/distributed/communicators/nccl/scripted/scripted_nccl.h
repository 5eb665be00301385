// Control of the scripted NCCL: a stand-in for the library whose ranks are threads, each with an
// emulated GPU. Its collectives run on the streams of the emulated GPU, once all ranks have reached
// them, and compute what NCCL's do. They can be captured in graphs; a collective that only some
// ranks replay fails with ncclInvalidUsage.
#pragma once

#include <cstdint>

#include "distributed/communicators/nccl/scripted/nccl.h"

namespace ripieno::distributed::testing {

struct NcclScript {
  // How often ncclCommGetAsyncError reports ncclInProgress after each call, before what was called
  // is on its stream.
  int in_progress = 0;
  // What ncclCommGetAsyncError reports of every group from now on.
  ncclResult_t error = ncclSuccess;
  // Collectives do not run while this is set.
  bool hangs = false;
};
void set_script(const NcclScript& script);

// Number of collectives that have run on a rank, since the start of the process.
int64_t collectives_run();

}  // namespace ripieno::distributed::testing
