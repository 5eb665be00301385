// NCCL for collectives of GPU tensors, on top of a communicator that handles everything else.
//
// Does not include nccl.h and also exists in a build without NCCL.
#pragma once

#include <memory>
#include <string>

#include "ripieno/core/device/device.h"
#include "ripieno/distributed/communicators/communicator.h"

namespace ripieno::distributed {

// Whether this is a build with NCCL, and the library is found on this host.
bool has_nccl();
// One human-readable line: the library and its file, or why it cannot be used.
std::string describe_nccl();

// A communicator of the ranks of `host`, each with a GPU of its own, `device`. Collectives of
// tensors on `device` use NCCL, whose order of summation differs: sums are the same on every rank,
// but not bitwise those of other communicators. Other tensors, barrier() and the creation of groups
// use `host`. NCCL is initialized by the first collective of a tensor on `device`. Throws
// ConfigurationError in a build without NCCL and if `device` is not a GPU.
//
// Collectives return when they are enqueued; all of a GPU run in the order of the calls, whichever
// communicator they belong to. They throw Error while another thread of this rank calls one. After
// one has failed or timed out, counted from when the GPU reached it, the next one throws
// CommunicationFailure. Since the host may be waiting for the GPU instead, the process then ends
// after five seconds as by an uncaught CommunicationFailure, or after a minute if the failure was
// thrown.
std::unique_ptr<Communicator> over_nccl(std::unique_ptr<Communicator> host, Device device);

}  // namespace ripieno::distributed
