// NcclGroup: one rank's ncclComm_t, created without blocking, so that every wait has a timeout.
//
// A failed group is leaked, not aborted, since ncclCommAbort can hang; the process is expected to
// end.
#pragma once

#include <nccl.h>

#include <chrono>

#include "ripieno/distributed/communicators/communicator.h"
#include "ripieno/distributed/communicators/nccl/nccl_queue.h"

namespace ripieno::distributed {

class NcclGroup {
 public:
  // A group of the ranks of `host`, whose collectives are enqueued in `queue`, on the current GPU
  // of this thread. A collective over `host`, which is not used afterwards. Throws
  // CommunicationFailure with NCCL's message, or after `timeout`.
  NcclGroup(Communicator& host, NcclQueue& queue, std::chrono::seconds timeout);
  // Waits for the group's collectives. A collective, unless one of them has failed or during stack
  // unwinding.
  ~NcclGroup();
  NcclGroup(const NcclGroup&) = delete;
  NcclGroup& operator=(const NcclGroup&) = delete;

  ncclComm_t handle() const { return group_; }

  // Blocks until NCCL has done on the host what the call that returned `result` started: only then
  // is a collective on its stream. Throws CommunicationFailure if it fails, or after `timeout`.
  void require(ncclResult_t result, const char* call, std::chrono::seconds timeout);

 private:
  NcclQueue& queue_;
  ncclComm_t group_ = nullptr;
  bool failed_ = false;
};

}  // namespace ripieno::distributed
