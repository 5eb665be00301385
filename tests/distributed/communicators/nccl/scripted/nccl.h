// The part of NCCL's API that distributed/communicators/nccl calls, for emulated builds, whose
// tests find this header instead of NCCL's. scripted_nccl.cpp implements it.
//
// Names and semantics are NCCL's. The functions have C++ linkage, so that they cannot be confused
// with those of the library.
#pragma once

#include <cstddef>

#include "cuda_runtime_api.h"

struct ncclComm;
using ncclComm_t = ncclComm*;

struct ncclUniqueId {
  char internal[128];
};

enum ncclResult_t {
  ncclSuccess = 0,
  ncclInternalError = 3,
  ncclInvalidUsage = 5,
  ncclRemoteError = 6,
  ncclInProgress = 7
};
enum ncclDataType_t {
  ncclUint8 = 1,
  ncclInt32 = 2,
  ncclInt64 = 4,
  ncclFloat16 = 6,
  ncclFloat32 = 7,
  ncclFloat64 = 8,
  ncclBfloat16 = 9
};
enum ncclRedOp_t { ncclSum = 0 };

struct ncclConfig_t {
  int blocking;
};
#define NCCL_CONFIG_INITIALIZER \
  { 1 }

const char* ncclGetErrorString(ncclResult_t result);
const char* ncclGetLastError(ncclComm_t group);
ncclResult_t ncclGetUniqueId(ncclUniqueId* id);
ncclResult_t ncclCommInitRankConfig(ncclComm_t* group, int size, ncclUniqueId id, int rank,
                                    ncclConfig_t* config);
ncclResult_t ncclCommFinalize(ncclComm_t group);
ncclResult_t ncclCommDestroy(ncclComm_t group);
ncclResult_t ncclCommGetAsyncError(ncclComm_t group, ncclResult_t* state);

ncclResult_t ncclAllReduce(const void* in, void* out, std::size_t count, ncclDataType_t type,
                           ncclRedOp_t sum, ncclComm_t group, cudaStream_t stream);
ncclResult_t ncclReduceScatter(const void* in, void* out, std::size_t count_of_part,
                               ncclDataType_t type, ncclRedOp_t sum, ncclComm_t group,
                               cudaStream_t stream);
ncclResult_t ncclAllGather(const void* in, void* out, std::size_t count_of_part,
                           ncclDataType_t type, ncclComm_t group, cudaStream_t stream);
ncclResult_t ncclBroadcast(const void* in, void* out, std::size_t count, ncclDataType_t type,
                           int root, ncclComm_t group, cudaStream_t stream);
ncclResult_t ncclGroupStart();
ncclResult_t ncclGroupEnd();
ncclResult_t ncclSend(const void* in, std::size_t count, ncclDataType_t type, int to,
                      ncclComm_t group, cudaStream_t stream);
ncclResult_t ncclRecv(void* out, std::size_t count, ncclDataType_t type, int from, ncclComm_t group,
                      cudaStream_t stream);
