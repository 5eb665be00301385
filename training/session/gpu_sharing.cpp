#include "ripieno/training/session/gpu_sharing.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <string_view>

#include "ripieno/core/error.h"

namespace ripieno {
namespace {

std::string_view variable(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

}  // namespace

// GPUs are numbered among those that CUDA_VISIBLE_DEVICES lists, so the list is part of the name.
std::string gpu_identity(const std::string& host, Device device) {
  if (!device.is_cuda()) return "";
  const auto visible = variable("CUDA_VISIBLE_DEVICES");
  const std::string among =
      visible.empty() ? "" : fmt::format(" of CUDA_VISIBLE_DEVICES={}", visible);
  return fmt::format("GPU {}{} on {}", device.index, among, host);
}

bool nccl_accepts_shared_gpus() {
  return variable("RIPIENO_SHARE_GPU") == "1" && !variable("NCCL_HOSTID").empty();
}

void require_distinct_gpus(const std::vector<std::string>& gpus) {
  if (variable("RIPIENO_SHARE_GPU") == "1") return;
  for (auto gpu = gpus.begin(); gpu != gpus.end(); ++gpu) {
    const auto first = std::find(gpus.begin(), gpu, *gpu);
    if (gpu->empty() || first == gpu) continue;
    throw ConfigurationError(fmt::format(
        "ranks {} and {} would share {}; start at most one rank per GPU of a host (slots=N in the "
        "host file), use --device cpu, or set RIPIENO_SHARE_GPU=1 to allow it",
        first - gpus.begin(), gpu - gpus.begin(), *gpu));
  }
}

}  // namespace ripieno
