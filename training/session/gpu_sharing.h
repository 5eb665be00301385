// Detects ranks that share a GPU by accident, which are slow and run out of its memory.
#pragma once

#include <string>
#include <vector>

#include "ripieno/core/device/device.h"

namespace ripieno {

// A description of the GPU `device` of this process that is unique across hosts: "GPU 0 on HOST".
// Empty for the CPU.
std::string gpu_identity(const std::string& host, Device device);

// Throws ConfigurationError if two ranks use the same GPU. `gpus`: gpu_identity() of each rank.
// RIPIENO_SHARE_GPU=1 allows sharing.
void require_distinct_gpus(const std::vector<std::string>& gpus);

// Whether NCCL accepts several ranks on one GPU, for tests on a machine with one GPU: requires
// RIPIENO_SHARE_GPU=1 and an NCCL_HOSTID that differs between ranks, so that NCCL takes each for a
// different host.
bool nccl_accepts_shared_gpus();

}  // namespace ripieno
