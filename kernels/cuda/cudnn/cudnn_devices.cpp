// The attention plans of all devices of the process.
#include <cuda_runtime_api.h>

#include <map>
#include <mutex>

#include "ripieno/kernels/cuda/cudnn/cudnn_plans.h"
#include "ripieno/kernels/cuda/runtime/cache_files.h"
#include "ripieno/kernels/cuda/runtime/check.h"

namespace ripieno::kernels::cuda {
namespace {

// Never destroyed.
struct Devices {
  std::mutex mutex;
  std::map<int, CudnnPlans> plans;
};
Devices& devices() {
  static auto& all = *new Devices;
  return all;
}

int current_device() {
  int device = 0;
  check(cudaGetDevice(&device), "cudaGetDevice");
  return device;
}

// What plans depend on: device, driver and library.
std::string identity_of(int device) {
  cudaDeviceProp properties{};
  check(cudaGetDeviceProperties(&properties, device), "cudaGetDeviceProperties");
  int driver = 0;
  check(cudaDriverGetVersion(&driver), "cudaDriverGetVersion");
  return std::string(properties.name) + " with " + std::to_string(properties.multiProcessorCount) +
         " processors, compute capability " + std::to_string(properties.major) + "." +
         std::to_string(properties.minor) + ", driver " + std::to_string(driver) + ", " +
         cudnn().description;  // without its place: the plans are the same
}

}  // namespace

AttentionPlan* attention_plan(AttentionPass pass, const AttentionShape& shape, ElementType type) {
  if (!cudnn().found) return nullptr;
  const int device = current_device();
  const auto of_device = [device]() -> CudnnPlans& {
    const std::lock_guard lock(devices().mutex);
    const auto found = devices().plans.find(device);
    if (found != devices().plans.end()) return found->second;
    const PlanFiles files(cache_folder(), identity_of(device));
    return devices()
        .plans.try_emplace(device, cudnn().functions, files, remark_on_attention)
        .first->second;
  };
  return of_device().plan(pass, shape, type);
}

bool has_attention_plans() { return cudnn().found; }

std::string describe_attention_plans() {
  if (!cudnn().found) return "built-in kernels: " + cudnn().description;
  std::string text = cudnn().description + " from " + cudnn().place;
  const std::lock_guard lock(devices().mutex);
  for (const auto& [device, plans] : devices().plans) {
    const std::vector<std::string> refusals = plans.refusals();
    if (refusals.empty()) continue;
    text += "; built-in kernels on cuda:" + std::to_string(device) + " for " +
            std::to_string(refusals.size()) + " shapes, such as " + refusals.front();
  }
  return text;
}

}  // namespace ripieno::kernels::cuda
