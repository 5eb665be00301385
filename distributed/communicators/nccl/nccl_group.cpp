#include "ripieno/distributed/communicators/nccl/nccl_group.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <exception>
#include <thread>

#include "ripieno/core/error.h"
#include "ripieno/distributed/communicators/waiting.h"

namespace ripieno::distributed {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kTestsAtOnce = 200;
constexpr std::chrono::microseconds kFirstSleep(20), kLongestSleep(100);

void check_cuda(cudaError_t status, const char* call) {
  if (status == cudaSuccess) return;
  cudaGetLastError();  // clears it, so that the next call does not report it again
  throw CommunicationFailure(fmt::format("{}: {}", call, cudaGetErrorString(status)));
}

[[noreturn]] void fail_nccl(ncclResult_t result, ncclComm_t group, const char* call) {
  throw CommunicationFailure(
      fmt::format("{}: {}; {}", call, ncclGetErrorString(result), ncclGetLastError(group)));
}

// The id that rank 0 generated, on every rank.
ncclUniqueId id_of(Communicator& host) {
  ncclUniqueId id = {};
  if (host.rank() == 0) {
    const ncclResult_t result = ncclGetUniqueId(&id);
    if (result != ncclSuccess) fail_nccl(result, nullptr, "ncclGetUniqueId");
  }
  const Tensor bytes({static_cast<int64_t>(sizeof id)}, DType::uint8);
  std::memcpy(bytes.raw_data(), &id, sizeof id);
  host.broadcast(bytes, 0);
  std::memcpy(&id, bytes.raw_data(), sizeof id);
  return id;
}

}  // namespace

NcclGroup::NcclGroup(Communicator& host, std::chrono::seconds timeout) {
  const ncclUniqueId id = id_of(host);
  check_cuda(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "cudaStreamCreate");
  for (cudaEvent_t* event : {&computed_, &done_}) {
    check_cuda(cudaEventCreateWithFlags(event, cudaEventDisableTiming), "cudaEventCreate");
  }
  ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
  config.blocking = 0;
  require(ncclCommInitRankConfig(&group_, host.size(), id, host.rank(), &config),
          "ncclCommInitRankConfig", timeout);
}

NcclGroup::~NcclGroup() {
  if (failed_ || std::uncaught_exceptions() > 0 || group_ == nullptr) return;
  try {
    require(ncclCommFinalize(group_), "ncclCommFinalize", std::chrono::seconds(10));
  } catch (const CommunicationFailure&) {
    return;  // a peer has ended already
  }
  ncclCommDestroy(group_);
  cudaEventDestroy(computed_);
  cudaEventDestroy(done_);
  cudaStreamDestroy(stream_);
}

void NcclGroup::run(const std::function<ncclResult_t(ncclComm_t, cudaStream_t)>& enqueue,
                    cudaStream_t computing, std::chrono::seconds timeout) {
  check_cuda(cudaEventRecord(computed_, computing), "cudaEventRecord");
  check_cuda(cudaStreamWaitEvent(stream_, computed_, 0), "cudaStreamWaitEvent");
  require(enqueue(group_, stream_), "NCCL", timeout);
  check_cuda(cudaEventRecord(done_, stream_), "cudaEventRecord");
  wait(
      [&] {
        const cudaError_t status = cudaEventQuery(done_);
        if (status != cudaErrorNotReady) check_cuda(status, "cudaEventQuery");
        return status == cudaSuccess;
      },
      timeout);
}

void NcclGroup::wait(const std::function<bool()>& is_done, std::chrono::seconds timeout) {
  const Clock::time_point deadline = deadline_after(timeout);
  std::chrono::microseconds sleep = kFirstSleep;
  for (int tests = 0; !is_done(); ++tests) {
    ncclResult_t state = ncclSuccess;
    const ncclResult_t query = ncclCommGetAsyncError(group_, &state);
    failed_ = query != ncclSuccess || (state != ncclSuccess && state != ncclInProgress);
    if (failed_) fail_nccl(query != ncclSuccess ? query : state, group_, "NCCL");
    if (tests < kTestsAtOnce) continue;
    failed_ = Clock::now() > deadline;
    if (failed_) fail_waiting(timeout, {});
    std::this_thread::sleep_for(sleep);
    sleep = std::min(2 * sleep, kLongestSleep);
  }
}

void NcclGroup::require(ncclResult_t result, const char* call, std::chrono::seconds timeout) {
  failed_ = result != ncclSuccess && result != ncclInProgress;
  if (failed_) fail_nccl(result, group_, call);
  wait(
      [&] {
        ncclResult_t state = ncclInProgress;
        ncclCommGetAsyncError(group_, &state);
        return state == ncclSuccess;
      },
      timeout);
}

}  // namespace ripieno::distributed
