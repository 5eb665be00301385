// Errors of NCCL as exceptions.
#pragma once

#include <nccl.h>

namespace ripieno::distributed {

// Throws CommunicationFailure: "ncclAllReduce: remote process exited; …". group: null if there is
// none.
[[noreturn]] void fail_nccl(ncclResult_t result, ncclComm_t group, const char* call);

// Throws CommunicationFailure if the group has failed. Thread-safe.
void require_no_error(ncclComm_t group);

}  // namespace ripieno::distributed
