// The NCCL functions that are used, in place of a linked library: each calls the function of that
// name in the library that was loaded. Weak, so that a program or test may define its own.
#include <fmt/format.h>
#include <nccl.h>

#include "ripieno/core/error.h"
#include "ripieno/distributed/communicators/nccl/nccl_library.h"

namespace {

template <typename Function>
Function* loaded(const char* name) {
  const auto& nccl = ripieno::distributed::nccl_library();
  auto* const function =
      nccl.found ? reinterpret_cast<Function*>(nccl.symbol(nccl.library, name)) : nullptr;
  if (!function) {
    throw ripieno::ConfigurationError(
        fmt::format("{} is not available: {}", name, nccl.description));
  }
  return function;
}

}  // namespace

extern "C" {

[[gnu::weak]] const char* ncclGetErrorString(ncclResult_t result) {
  static auto* const call = loaded<decltype(ncclGetErrorString)>("ncclGetErrorString");
  return call(result);
}

[[gnu::weak]] const char* ncclGetLastError(ncclComm_t group) {
  static auto* const call = loaded<decltype(ncclGetLastError)>("ncclGetLastError");
  return call(group);
}

[[gnu::weak]] ncclResult_t ncclGetUniqueId(ncclUniqueId* id) {
  static auto* const call = loaded<decltype(ncclGetUniqueId)>("ncclGetUniqueId");
  return call(id);
}

[[gnu::weak]] ncclResult_t ncclCommInitRankConfig(ncclComm_t* group, int size, ncclUniqueId id,
                                                  int rank, ncclConfig_t* config) {
  static auto* const call = loaded<decltype(ncclCommInitRankConfig)>("ncclCommInitRankConfig");
  return call(group, size, id, rank, config);
}

[[gnu::weak]] ncclResult_t ncclCommFinalize(ncclComm_t group) {
  static auto* const call = loaded<decltype(ncclCommFinalize)>("ncclCommFinalize");
  return call(group);
}

[[gnu::weak]] ncclResult_t ncclCommDestroy(ncclComm_t group) {
  static auto* const call = loaded<decltype(ncclCommDestroy)>("ncclCommDestroy");
  return call(group);
}

[[gnu::weak]] ncclResult_t ncclCommGetAsyncError(ncclComm_t group, ncclResult_t* state) {
  static auto* const call = loaded<decltype(ncclCommGetAsyncError)>("ncclCommGetAsyncError");
  return call(group, state);
}

[[gnu::weak]] ncclResult_t ncclAllReduce(const void* in, void* out, size_t count,
                                         ncclDataType_t type, ncclRedOp_t operation,
                                         ncclComm_t group, cudaStream_t stream) {
  static auto* const call = loaded<decltype(ncclAllReduce)>("ncclAllReduce");
  return call(in, out, count, type, operation, group, stream);
}

[[gnu::weak]] ncclResult_t ncclReduceScatter(const void* in, void* out, size_t count,
                                             ncclDataType_t type, ncclRedOp_t operation,
                                             ncclComm_t group, cudaStream_t stream) {
  static auto* const call = loaded<decltype(ncclReduceScatter)>("ncclReduceScatter");
  return call(in, out, count, type, operation, group, stream);
}

[[gnu::weak]] ncclResult_t ncclAllGather(const void* in, void* out, size_t count,
                                         ncclDataType_t type, ncclComm_t group,
                                         cudaStream_t stream) {
  static auto* const call = loaded<decltype(ncclAllGather)>("ncclAllGather");
  return call(in, out, count, type, group, stream);
}

[[gnu::weak]] ncclResult_t ncclBroadcast(const void* in, void* out, size_t count,
                                         ncclDataType_t type, int root, ncclComm_t group,
                                         cudaStream_t stream) {
  static auto* const call = loaded<decltype(ncclBroadcast)>("ncclBroadcast");
  return call(in, out, count, type, root, group, stream);
}

[[gnu::weak]] ncclResult_t ncclSend(const void* in, size_t count, ncclDataType_t type, int to,
                                    ncclComm_t group, cudaStream_t stream) {
  static auto* const call = loaded<decltype(ncclSend)>("ncclSend");
  return call(in, count, type, to, group, stream);
}

[[gnu::weak]] ncclResult_t ncclRecv(void* out, size_t count, ncclDataType_t type, int from,
                                    ncclComm_t group, cudaStream_t stream) {
  static auto* const call = loaded<decltype(ncclRecv)>("ncclRecv");
  return call(out, count, type, from, group, stream);
}

[[gnu::weak]] ncclResult_t ncclGroupStart() {
  static auto* const call = loaded<decltype(ncclGroupStart)>("ncclGroupStart");
  return call();
}

[[gnu::weak]] ncclResult_t ncclGroupEnd() {
  static auto* const call = loaded<decltype(ncclGroupEnd)>("ncclGroupEnd");
  return call();
}

}  // extern "C"
