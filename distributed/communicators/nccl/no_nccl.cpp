#include "ripieno/core/error.h"
#include "ripieno/distributed/communicators/nccl/nccl.h"

namespace ripieno::distributed {

bool has_nccl() { return false; }

std::unique_ptr<Communicator> over_nccl(std::unique_ptr<Communicator>, Device) {
  throw ConfigurationError(
      "this Ripieno was built without NCCL; configure it with -DRIPIENO_CUDA=ON "
      "-DRIPIENO_NCCL=ON");
}

}  // namespace ripieno::distributed
