#include "ripieno/tools/plan/machine_here.h"

#include <fmt/format.h>
#include <sys/sysinfo.h>

#include <algorithm>
#include <cctype>
#include <fstream>
#include <string>
#include <string_view>

#include "ripieno/core/error.h"
#include "ripieno/training/session/processors.h"

namespace ripieno::tools::plan {
namespace {

int64_t memory_of_host() {
  struct sysinfo info = {};
  sysinfo(&info);
  return static_cast<int64_t>(info.totalram) * info.mem_unit;
}

std::string device_named_in(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  for (const std::string& name : device_names()) {
    if (text.find(name) != text.npos) return name;
  }
  return "";
}

// What matrix products of a step reach of the large ones that a calibration measures.
constexpr double kProductsOfAStep = 0.85, kAttentionOfAStep = 0.35;

}  // namespace

Machine machine_here() {
  Machine machine = device_of("cpu");
  set_cores(machine, cpu_share(affinity(), 1, cpu_quota(), 1).threads);
  machine.memory_bytes = memory_of_host();
  machine.source = "a guess for AVX2, not measured; see --measure and --calibration";
  return machine;
}

Machine calibrated_machine(const Calibration& calibration, const std::string& device,
                           const std::string& path) {
  const std::string found = device_named_in(calibration.device);
  const std::string name = device.empty() ? found : device;
  if (name.empty()) {
    throw ConfigurationError(
        fmt::format("{}: device is \"{}\", which is not in the built-in table; give --device", path,
                    calibration.device));
  }
  if (!found.empty() && name != found) {
    throw ConfigurationError(
        fmt::format("--device {}: {} was measured on {}; leave out one of them", device, path,
                    calibration.device));
  }
  Machine machine = device_of(name);
  const bool is_cpu = machine.is_cpu;
  machine.source = path;
  if (is_cpu) set_cores(machine, calibration.cores);
  if (is_cpu) machine.memory_bytes = memory_of_host();
  const auto replace = [](double& value, double measured) {
    if (measured > 0) value = measured;
  };
  replace(machine.peak_float32, 1e9 * calibration.gflops.f32);
  replace(machine.peak_16_bits, 1e9 * calibration.gflops.bf16);
  replace(machine.peak_of_one_core, 1e9 * calibration.gflops_of_one_core.f32);
  replace(machine.memory_bytes_per_second, 1e9 * calibration.memory_gb_per_second);
  if (is_cpu) machine.peak_tf32 = machine.peak_float32;
  machine.product_share = kProductsOfAStep;
  machine.attention_share = kAttentionOfAStep;
  machine.memory_share = 1;
  for (const Calibration::Link& link : calibration.links) {
    Link& measured = is_cpu ? machine.between : machine.inside;
    replace(measured.latency_seconds, link.latency_seconds);
    replace(measured.bytes_per_second, link.bytes_per_second);
    if (is_cpu) machine.inside = machine.between;
  }
  replace(machine.storage_bytes_per_second, calibration.storage.write_bytes_per_second);
  return machine;
}

void set_program_bytes(Machine& machine) {
  std::ifstream status("/proc/self/status");
  constexpr int64_t kKibibyte = 1024;
  for (std::string line; std::getline(status, line);) {
    const auto value = [&](std::string_view name) {
      return line.starts_with(name) ? kKibibyte * std::stoll(line.substr(name.size())) : 0;
    };
    machine.program_bytes += value("RssAnon:");
    machine.shared_program_bytes += value("RssFile:");
  }
}

void set_cores(Machine& machine, double cores) {
  const double factor = cores / machine.cores;
  for (double* peak : {&machine.peak_float32, &machine.peak_tf32, &machine.peak_16_bits})
    *peak *= factor;
  machine.cores = cores;
}

}  // namespace ripieno::tools::plan
