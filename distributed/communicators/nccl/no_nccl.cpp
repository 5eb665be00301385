#include "ripieno/core/error.h"
#include "ripieno/distributed/communicators/nccl/nccl.h"

namespace ripieno::distributed {

bool has_nccl() { return false; }
std::string describe_nccl() { return "built without NCCL"; }

std::unique_ptr<Communicator> over_nccl(std::unique_ptr<Communicator>, Device) {
  throw ConfigurationError(
      "this build of Ripieno has no NCCL support; configure it with -DRIPIENO_CUDA=ON "
      "-DRIPIENO_NCCL=ON");
}

}  // namespace ripieno::distributed
