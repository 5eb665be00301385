#include <fmt/format.h>
#include <fmt/ranges.h>

#include "ripieno/core/error.h"
#include "ripieno/tools/plan/machine.h"
#include "ripieno/training/settings/nearest_key.h"

namespace ripieno::tools::plan {
namespace {

constexpr double kTera = 1e12, kGiga = 1e9;

// From data sheets (docs/plan.md); dense products, without sparsity.
struct Gpu {
  const char* name;
  double float32, tf32, sixteen_bits;  // TFLOP/s
  double memory_gb, memory_gb_per_second;
  double nvlink_gb_per_second;  // in each direction
};

constexpr Gpu kGpus[] = {
    {"a100", 19.5, 156, 312, 80, 2039, 300},
    {"h100", 67, 494.7, 989.4, 80, 3350, 450},
    {"h200", 67, 494.7, 989.4, 141, 4800, 450},
    {"b200", 80, 1100, 2250, 180, 8000, 900},
};

// Shares of the peaks, from figures of others for H100 and H200 (docs/plan.md).
constexpr double kProducts = 0.68, kAttention = 0.28, kMemory = 0.88, kNvlink = 0.8;

Machine machine_of(const Gpu& gpu) {
  return {.name = gpu.name,
          .source = "data sheet, not measured",
          .devices_per_host = 8,
          .peak_float32 = gpu.float32 * kTera,
          .peak_tf32 = gpu.tf32 * kTera,
          .peak_16_bits = gpu.sixteen_bits * kTera,
          .product_share = kProducts,
          .attention_share = kAttention,
          .memory_share = kMemory,
          .memory_bytes_per_second = gpu.memory_gb_per_second * kGiga,
          .memory_bytes = static_cast<int64_t>(gpu.memory_gb * kGiga),
          .inside = {5e-6, kNvlink * gpu.nvlink_gb_per_second * kGiga},
          // A network card of 400 Gbit/s for each GPU, of which collectives reach 0.92.
          .between = {15e-6, 8 * 0.92 * 50 * kGiga},
          .storage_bytes_per_second = 2 * kGiga};
}

// A guess: two cores with 256-bit multiply-adds at 3 GHz.
Machine cpu() {
  return {.name = "cpu",
          .source = "a guess for two cores with AVX2, not measured",
          .is_cpu = true,
          .peak_float32 = 190 * kGiga,
          .peak_tf32 = 190 * kGiga,
          .peak_16_bits = 190 * kGiga,
          .cores = 2,
          .product_share = 0.8,
          .attention_share = 0.35,
          .memory_share = 0.7,
          .memory_bytes_per_second = 30 * kGiga,
          .inside = {20e-6, 7.5 * kGiga},
          .between = {50e-6, 0.125 * kGiga},
          .storage_bytes_per_second = 0.5 * kGiga,
          .network_work = 1e-9};
}

}  // namespace

double Machine::peak(DType precision, bool tf32) const {
  if (size_of(precision) < sizeof(float)) return peak_16_bits;
  return tf32 ? peak_tf32 : peak_float32;
}

std::vector<std::string> device_names() {
  std::vector<std::string> names = {"cpu"};
  for (const Gpu& gpu : kGpus) names.emplace_back(gpu.name);
  return names;
}

Machine device_of(const std::string& name) {
  if (name == "cpu") return cpu();
  for (const Gpu& gpu : kGpus) {
    if (name == gpu.name) return machine_of(gpu);
  }
  const auto names = device_names();
  const auto nearest =
      std::min_element(names.begin(), names.end(), [&](const std::string& a, const std::string& b) {
        return edit_distance(a, name) < edit_distance(b, name);
      });
  throw ConfigurationError(fmt::format("--device {}: unknown device; did you mean {}? known: {}",
                                       name, *nearest, fmt::join(names, ", ")));
}

}  // namespace ripieno::tools::plan
