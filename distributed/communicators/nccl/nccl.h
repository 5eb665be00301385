// Collectives of tensors on GPUs by NCCL, beside a communicator that carries everything else.
//
// Needs no nccl.h, and is there in a build without NCCL.
#pragma once

#include <memory>

#include "ripieno/core/device/device.h"
#include "ripieno/distributed/communicators/communicator.h"

namespace ripieno::distributed {

// Whether NCCL was built in.
bool has_nccl();

// The ranks of `host`, each with a GPU of its own. Tensors on `device` go over NCCL, in its own
// order of summation: near the sums of the other communicators, not their bits, though the same on
// every rank. All others, and groups, go over `host`. NCCL starts with the first tensor on a GPU.
// Throws ConfigurationError in a build without NCCL, and where `device` is no GPU.
std::unique_ptr<Communicator> over_nccl(std::unique_ptr<Communicator> host, Device device);

}  // namespace ripieno::distributed
