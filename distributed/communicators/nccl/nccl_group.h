// NcclGroup: one rank's ncclComm_t with its own stream; every wait has a timeout.
//
// A failed group is leaked, not aborted, since ncclCommAbort can hang; the process is expected to
// end.
#pragma once

#include <nccl.h>

#include <chrono>
#include <functional>

#include "ripieno/distributed/communicators/communicator.h"

namespace ripieno::distributed {

class NcclGroup {
 public:
  // A group of the ranks of `host` on the current GPU of this thread. A collective over `host`,
  // which is not used afterwards. Throws CommunicationFailure with NCCL's message, or after
  // `timeout`.
  NcclGroup(Communicator& host, std::chrono::seconds timeout);
  // A collective, unless the group has failed or during stack unwinding.
  ~NcclGroup();
  NcclGroup(const NcclGroup&) = delete;
  NcclGroup& operator=(const NcclGroup&) = delete;

  // Calls enqueue(group, stream) and waits on the host until the enqueued work is complete. The
  // work runs after everything enqueued on stream `computing` so far. Throws CommunicationFailure
  // if NCCL or CUDA fails, or after `timeout`.
  void run(const std::function<ncclResult_t(ncclComm_t, cudaStream_t)>& enqueue,
           cudaStream_t computing, std::chrono::seconds timeout);

 private:
  // Polls is_done(). Throws CommunicationFailure if NCCL has failed, or after `timeout`.
  void wait(const std::function<bool()>& is_done, std::chrono::seconds timeout);
  // Waits for the non-blocking NCCL call that returned `result`. Throws as wait().
  void require(ncclResult_t result, const char* call, std::chrono::seconds timeout);

  ncclComm_t group_ = nullptr;
  cudaStream_t stream_ = nullptr;
  cudaEvent_t computed_ = nullptr;
  cudaEvent_t done_ = nullptr;
  bool failed_ = false;
};

}  // namespace ripieno::distributed
