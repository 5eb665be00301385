#include "ripieno/distributed/communicators/nccl/nccl_error.h"

#include <fmt/format.h>

#include "ripieno/core/error.h"

namespace ripieno::distributed {

void fail_nccl(ncclResult_t result, ncclComm_t group, const char* call) {
  throw CommunicationFailure(
      fmt::format("{}: {}; {}", call, ncclGetErrorString(result), ncclGetLastError(group)));
}

void require_no_error(ncclComm_t group) {
  ncclResult_t state = ncclSuccess;
  const ncclResult_t query = ncclCommGetAsyncError(group, &state);
  if (query != ncclSuccess) fail_nccl(query, group, "ncclCommGetAsyncError");
  if (state != ncclSuccess && state != ncclInProgress) fail_nccl(state, group, "NCCL");
}

}  // namespace ripieno::distributed
