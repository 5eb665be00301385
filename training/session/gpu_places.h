// Which GPU each rank took: ranks that share one by accident are slow and run out of its memory.
#pragma once

#include <string>
#include <vector>

#include "ripieno/core/device/device.h"

namespace ripieno {

// The GPU that `device` is for this process, told apart from all others of the host that it runs
// on; empty for the CPU.
std::string gpu_place(const std::string& host, Device device);

// Throws ConfigurationError, with the remedy, where two ranks took the same. `places` in rank
// order. RIPIENO_SHARE_GPU=1 allows it.
void require_own_gpus(const std::vector<std::string>& places);

// Whether NCCL would take several ranks of one GPU, for tests on a machine with one: where
// RIPIENO_SHARE_GPU=1, and NCCL_HOSTID, another for each rank, tells NCCL that it is on a host of
// its own.
bool shared_gpus_can_speak_nccl();

}  // namespace ripieno
