#include "distributed/communicators/nccl/scripted/scripted_nccl.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "ripieno/core/dtype.h"
#include "ripieno/kernels/emulator/streams.h"

namespace ripieno::distributed {

bool has_nccl() { return true; }
std::string describe_nccl() { return "a scripted NCCL"; }

}  // namespace ripieno::distributed

namespace ripieno::distributed::testing {

using simt::gpu_lock;

// Not in an unnamed namespace, since ncclComm has members of these types.

struct Message {
  int peer;
  const void* in;
  void* out;
  std::size_t bytes;
};

// What one rank passed to a collective.
struct Call {
  const void* in = nullptr;
  void* out = nullptr;
  std::size_t count = 0;  // of a part, where there are parts
  ncclDataType_t type = ncclUint8;
  std::vector<Message> sends, receives;
};

using Compute = std::function<void(const std::vector<Call>&)>;

// A collective that the ranks of a group call, each in its own time.
struct Operation {
  explicit Operation(int size) : calls(static_cast<std::size_t>(size)) {}

  std::vector<Call> calls;
  int ranks_there = 0;  // whose streams have reached it
  int replayed = 0;     // of these, as part of a graph
  bool is_done = false;
};

// The ranks of a group. Guarded by gpu_lock(), as everything here: streams hold it while they run
// work.
struct Ranks {
  int size = 0;
  int joined = 0;
  std::map<int64_t, std::shared_ptr<Operation>> operations;  // by their number in the group
};

namespace {

NcclScript& script() {
  static NcclScript script;
  return script;
}

int64_t& run_count() {
  static int64_t count = 0;
  return count;
}

// Those that exist. A failed one is never destroyed, which a leak checker must not report.
std::set<ncclComm*>& handles() {
  static auto& handles = *new std::set<ncclComm*>;
  return handles;
}

std::map<std::string, std::shared_ptr<Ranks>>& groups() {
  static auto& groups = *new std::map<std::string, std::shared_ptr<Ranks>>;
  return groups;
}

}  // namespace
}  // namespace ripieno::distributed::testing

using namespace ripieno::distributed::testing;
using ripieno::simt::Streams;

struct ncclComm {
  std::shared_ptr<Ranks> ranks;
  int rank = 0;
  int64_t called = 0;
  int in_progress = 0;
  std::function<void()> enqueue = {};  // what the last call puts on its stream
};

namespace {

ncclResult_t begin(ncclComm* group, std::function<void()> enqueue) {
  group->enqueue = std::move(enqueue);
  group->in_progress = script().in_progress;
  if (group->in_progress > 0) return ncclInProgress;
  std::exchange(group->enqueue, nullptr)();
  return ncclSuccess;
}

// Runs on the stream of each rank, with gpu_lock() held; the last rank that reaches it computes.
// All ranks must replay a collective, or none: NCCL requires it, and it can hang otherwise.
bool run(Operation& operation, bool& is_there, bool is_replayed, const Compute& compute) {
  if (script().hangs) return false;
  if (!std::exchange(is_there, true)) {
    ++operation.ranks_there;
    operation.replayed += is_replayed;
  }
  const auto size = static_cast<int>(operation.calls.size());
  if (operation.ranks_there < size) return false;
  if (operation.replayed % size != 0) {
    script().error = ncclInvalidUsage;
    return false;
  }
  if (!std::exchange(operation.is_done, true)) compute(operation.calls);
  ++run_count();
  return true;
}

// This rank's part of the next collective of the group.
std::function<bool()> next(ncclComm* group, const Call& call, bool is_replayed,
                           const Compute& compute) {
  auto& operation = group->ranks->operations[group->called++];
  if (!operation) operation = std::make_shared<Operation>(group->ranks->size);
  operation->calls[static_cast<std::size_t>(group->rank)] = call;
  return [operation = operation, is_there = false, is_replayed, compute]() mutable {
    return run(*operation, is_there, is_replayed, compute);
  };
}

ncclResult_t enqueue(ncclComm* group, cudaStream_t stream, const Call& call,
                     const Compute& compute) {
  const auto lock = gpu_lock();
  return begin(group, [=] {
    const bool is_recorded = stream->graph != nullptr;
    Streams::instance().enqueue_waiting(stream,
                                        [=] { return next(group, call, is_recorded, compute); });
  });
}

std::size_t size_of(ncclDataType_t type) {
  switch (type) {
    case ncclUint8:
      return 1;
    case ncclFloat16:
    case ncclBfloat16:
      return 2;
    case ncclInt32:
    case ncclFloat32:
      return 4;
    case ncclInt64:
    case ncclFloat64:
      break;
  }
  return 8;
}

std::byte* at(void* memory, std::size_t offset) { return static_cast<std::byte*>(memory) + offset; }

// Rounded to T, as NCCL rounds at every addition.
template <typename T>
T sum_of(T a, T b) {
  if constexpr (sizeof(T) == 2)
    return static_cast<T>(static_cast<float>(a) + static_cast<float>(b));
  else
    return static_cast<T>(a + b);
}

// The sums of elements [begin, begin + count) of all ranks.
template <typename T>
std::vector<T> sums_of(const std::vector<Call>& calls, std::size_t begin, std::size_t count) {
  std::vector<T> sums(count, T(0.0f));
  for (const Call& call : calls) {
    const T* const in = static_cast<const T*>(call.in) + begin;
    for (std::size_t i = 0; i < count; ++i) sums[i] = sum_of(sums[i], in[i]);
  }
  return sums;
}

// Parts have `count` elements; the r-th is written to the output of rank r. One part: every rank's.
template <typename T>
void sum(const std::vector<Call>& calls, bool in_parts) {
  const std::size_t count = calls[0].count, parts = in_parts ? calls.size() : 1;
  const std::vector<T> sums = sums_of<T>(calls, 0, parts * count);
  for (std::size_t rank = 0; rank < calls.size(); ++rank) {
    const T* const part = sums.data() + (in_parts ? rank * count : 0);
    std::copy_n(part, count, static_cast<T*>(calls[rank].out));
  }
}

void sum(const std::vector<Call>& calls, bool in_parts) {
  switch (calls[0].type) {
    case ncclFloat32:
      return sum<float>(calls, in_parts);
    case ncclFloat64:
      return sum<double>(calls, in_parts);
    case ncclFloat16:
      return sum<ripieno::float16>(calls, in_parts);
    case ncclBfloat16:
      return sum<ripieno::bfloat16>(calls, in_parts);
    case ncclInt64:
      return sum<int64_t>(calls, in_parts);
    case ncclInt32:
      return sum<int32_t>(calls, in_parts);
    case ncclUint8:
      return sum<uint8_t>(calls, in_parts);
  }
}

void gather(const std::vector<Call>& calls) {
  const std::size_t bytes = calls[0].count * size_of(calls[0].type);
  for (const Call& to : calls) {
    for (std::size_t rank = 0; rank < calls.size(); ++rank)
      std::memmove(at(to.out, rank * bytes), calls[rank].in, bytes);
  }
}

// The i-th message that a rank receives from a peer is the i-th that the peer sends to it.
void deliver(const std::vector<Call>& calls) {
  for (std::size_t rank = 0; rank < calls.size(); ++rank) {
    std::map<int, std::size_t> next;  // by peer
    for (const Message& message : calls[rank].receives) {
      const auto& sends = calls[static_cast<std::size_t>(message.peer)].sends;
      std::size_t& i = next[message.peer];
      while (sends[i].peer != static_cast<int>(rank)) ++i;
      std::memcpy(message.out, sends[i++].in, message.bytes);
    }
  }
}

// The calls between ncclGroupStart and ncclGroupEnd of a thread.
struct Pending {
  Call call;
  ncclComm* group = nullptr;
  cudaStream_t stream = nullptr;
};
thread_local Pending pending;

}  // namespace

namespace ripieno::distributed::testing {

void set_script(const NcclScript& changed) {
  const auto lock = gpu_lock();
  script() = changed;
}

int64_t collectives_run() {
  const auto lock = gpu_lock();
  return run_count();
}

}  // namespace ripieno::distributed::testing

const char* ncclGetErrorString(ncclResult_t result) {
  switch (result) {
    case ncclSuccess:
      return "no error";
    case ncclInternalError:
      return "internal error";
    case ncclInvalidUsage:
      return "invalid usage";
    case ncclRemoteError:
      return "remote process exited or there was a network error";
    case ncclInProgress:
      break;
  }
  return "NCCL operation in progress";
}

const char* ncclGetLastError(ncclComm_t) { return "as scripted"; }

ncclResult_t ncclGetUniqueId(ncclUniqueId* id) {
  const auto lock = gpu_lock();
  static int made = 0;
  *id = {};
  std::snprintf(id->internal, sizeof id->internal, "group %d", ++made);
  return ncclSuccess;
}

ncclResult_t ncclCommInitRankConfig(ncclComm_t* group, int size, ncclUniqueId id, int rank,
                                    ncclConfig_t* config) {
  const auto lock = gpu_lock();
  if (config->blocking != 0) return ncclInternalError;  // without timeouts
  auto& ranks = groups()[id.internal];
  if (!ranks) ranks = std::make_shared<Ranks>();
  ranks->size = size;
  ++ranks->joined;
  *group = new ncclComm{.ranks = ranks, .rank = rank};
  handles().insert(*group);
  begin(*group, [] {});
  return ncclInProgress;
}

ncclResult_t ncclCommFinalize(ncclComm_t group) {
  const auto lock = gpu_lock();
  return begin(group, [] {});
}

ncclResult_t ncclCommDestroy(ncclComm_t group) {
  const auto lock = gpu_lock();
  handles().erase(group);
  delete group;
  return ncclSuccess;
}

ncclResult_t ncclCommGetAsyncError(ncclComm_t group, ncclResult_t* state) {
  const auto lock = gpu_lock();
  const bool is_joining = group->ranks->joined < group->ranks->size;
  const bool is_in_progress = is_joining || group->in_progress > 0;
  *state = script().error != ncclSuccess ? script().error
           : is_in_progress              ? ncclInProgress
                                         : ncclSuccess;
  if (group->in_progress > 0 && --group->in_progress == 0) std::exchange(group->enqueue, nullptr)();
  return ncclSuccess;
}

ncclResult_t ncclAllReduce(const void* in, void* out, std::size_t count, ncclDataType_t type,
                           ncclRedOp_t, ncclComm_t group, cudaStream_t stream) {
  return enqueue(group, stream, {in, out, count, type, {}, {}},
                 [](const auto& calls) { sum(calls, /*in_parts=*/false); });
}

ncclResult_t ncclReduceScatter(const void* in, void* out, std::size_t count_of_part,
                               ncclDataType_t type, ncclRedOp_t, ncclComm_t group,
                               cudaStream_t stream) {
  return enqueue(group, stream, {in, out, count_of_part, type, {}, {}},
                 [](const auto& calls) { sum(calls, /*in_parts=*/true); });
}

ncclResult_t ncclAllGather(const void* in, void* out, std::size_t count_of_part,
                           ncclDataType_t type, ncclComm_t group, cudaStream_t stream) {
  return enqueue(group, stream, {in, out, count_of_part, type, {}, {}}, gather);
}

ncclResult_t ncclBroadcast(const void* in, void* out, std::size_t count, ncclDataType_t type,
                           int root, ncclComm_t group, cudaStream_t stream) {
  return enqueue(group, stream, {in, out, count, type, {}, {}}, [root](const auto& calls) {
    const Call& from = calls[static_cast<std::size_t>(root)];
    for (const Call& to : calls) std::memmove(to.out, from.in, from.count * size_of(from.type));
  });
}

ncclResult_t ncclGroupStart() {
  pending = {};
  return ncclSuccess;
}

ncclResult_t ncclGroupEnd() {
  return enqueue(pending.group, pending.stream, pending.call, deliver);
}

ncclResult_t ncclSend(const void* in, std::size_t count, ncclDataType_t type, int to,
                      ncclComm_t group, cudaStream_t stream) {
  pending.group = group;
  pending.stream = stream;
  pending.call.sends.push_back({to, in, nullptr, count * size_of(type)});
  return ncclSuccess;
}

ncclResult_t ncclRecv(void* out, std::size_t count, ncclDataType_t type, int from, ncclComm_t group,
                      cudaStream_t stream) {
  pending.group = group;
  pending.stream = stream;
  pending.call.receives.push_back({from, nullptr, out, count * size_of(type)});
  return ncclSuccess;
}
