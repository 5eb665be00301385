// NcclGroup: NCCL's communicator of one rank, with a stream of its own, that waits with a limit.
//
// A failed group is never aborted, since that can hang as well: the process ends instead.
#pragma once

#include <nccl.h>

#include <chrono>
#include <functional>

#include "ripieno/distributed/communicators/communicator.h"

namespace ripieno::distributed {

class NcclGroup {
 public:
  // The ranks of `host`, on this thread's GPU. A collective over `host`, which is used for nothing
  // later. Throws CommunicationFailure with NCCL's reason, or where it takes longer than `timeout`.
  NcclGroup(Communicator& host, std::chrono::seconds timeout);
  // A collective, but where something failed.
  ~NcclGroup();
  NcclGroup(const NcclGroup&) = delete;
  NcclGroup& operator=(const NcclGroup&) = delete;

  // Runs what enqueue(group, stream) enqueues, after all that `computing` was given until now.
  // Returns once it is done; throws CommunicationFailure where it fails or takes longer.
  void run(const std::function<ncclResult_t(ncclComm_t, cudaStream_t)>& enqueue,
           cudaStream_t computing, std::chrono::seconds timeout);

 private:
  // Calls is_done() until it is, or NCCL has failed.
  void wait(const std::function<bool()>& is_done, std::chrono::seconds timeout);
  // Returns once NCCL has taken the call that returned `result`.
  void require(ncclResult_t result, const char* call, std::chrono::seconds timeout);

  ncclComm_t group_ = nullptr;
  cudaStream_t stream_ = nullptr;
  cudaEvent_t computed_ = nullptr;
  cudaEvent_t done_ = nullptr;
  bool failed_ = false;
};

}  // namespace ripieno::distributed
