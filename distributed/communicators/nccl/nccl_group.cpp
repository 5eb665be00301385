#include "ripieno/distributed/communicators/nccl/nccl_group.h"

#include <algorithm>
#include <cstring>
#include <exception>
#include <thread>

#include "ripieno/core/error.h"
#include "ripieno/distributed/communicators/nccl/nccl_error.h"
#include "ripieno/distributed/communicators/waiting.h"

namespace ripieno::distributed {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kTestsAtOnce = 200;
constexpr std::chrono::microseconds kFirstSleep(20), kLongestSleep(100);

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

NcclGroup::NcclGroup(Communicator& host, NcclQueue& queue, std::chrono::seconds timeout)
    : queue_(queue) {
  const ncclUniqueId id = id_of(host);
  ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
  config.blocking = 0;
  require(ncclCommInitRankConfig(&group_, host.size(), id, host.rank(), &config),
          "ncclCommInitRankConfig", timeout);
}

NcclGroup::~NcclGroup() {
  if (failed_ || std::uncaught_exceptions() > 0 || group_ == nullptr) return;
  if (!queue_.drain(group_)) return;
  try {
    require(ncclCommFinalize(group_), "ncclCommFinalize", std::chrono::seconds(10));
  } catch (const CommunicationFailure&) {
    return;  // a peer has ended already
  }
  ncclCommDestroy(group_);
}

void NcclGroup::require(ncclResult_t result, const char* call, std::chrono::seconds timeout) {
  failed_ = true;  // unless this returns
  const Clock::time_point deadline = deadline_after(timeout);
  std::chrono::microseconds sleep = kFirstSleep;
  for (int tests = 0; result == ncclInProgress; ++tests) {
    const ncclResult_t query = ncclCommGetAsyncError(group_, &result);
    if (query != ncclSuccess) fail_nccl(query, group_, "ncclCommGetAsyncError");
    if (result != ncclInProgress || tests < kTestsAtOnce) continue;
    if (Clock::now() > deadline) fail_waiting(timeout, {});
    std::this_thread::sleep_for(sleep);
    sleep = std::min(2 * sleep, kLongestSleep);
  }
  if (result != ncclSuccess) fail_nccl(result, group_, call);
  failed_ = false;
}

}  // namespace ripieno::distributed
