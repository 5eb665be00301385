#include "ripieno/training/session/gpu_places.h"

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

// The numbers of GPUs count only those that the process may see.
std::string gpu_place(const std::string& host, Device device) {
  if (!device.is_cuda()) return "";
  const auto visible = variable("CUDA_VISIBLE_DEVICES");
  const std::string among = visible.empty() ? "" : fmt::format(" of {}", visible);
  return fmt::format("GPU {}{} on {}", device.index, among, host);
}

bool shared_gpus_can_speak_nccl() {
  return variable("RIPIENO_SHARE_GPU") == "1" && !variable("NCCL_HOSTID").empty();
}

void require_own_gpus(const std::vector<std::string>& places) {
  if (variable("RIPIENO_SHARE_GPU") == "1") return;
  for (auto place = places.begin(); place != places.end(); ++place) {
    const auto first = std::find(places.begin(), place, *place);
    if (place->empty() || first == place) continue;
    throw ConfigurationError(
        fmt::format("ranks {} and {} would share {}; start one rank for each GPU of a host (slots "
                    "in the host file), use --device cpu, or set RIPIENO_SHARE_GPU=1 to share",
                    first - places.begin(), place - places.begin(), *place));
  }
}

}  // namespace ripieno
