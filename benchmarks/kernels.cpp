// kernels: the bandwidth of each kernel relative to a plain copy in the same run, and the
// operations per second of matrix products. The kernels are measured alternately, so that changes
// of the machine's speed affect all of them.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "kernel_cases.h"
#include "program.h"
#include "ripieno/core/device/stream.h"
#include "ripieno/kernels/cpu_threads.h"

namespace {

using namespace ripieno;
using benchmarks::KernelCase;

struct Arguments {
  std::string device = "cpu", dtype = "bf16", only;
  int threads = 2, repeats = 7;
  double milliseconds = 20;  // approximate duration of one measurement
  bool small = false;
};

// Milliseconds per call of a kernel that is enqueued `times` times, by the clock of the device.
double time_of(const KernelCase& kernel, Device device, int times) {
  const Stream& stream = current_stream(device);
  Event begin(device, /*timed=*/true), end(device, /*timed=*/true);
  begin.record(stream);
  for (int i = 0; i < times; ++i) kernel.enqueue();
  end.record(stream);
  end.synchronize();
  return end.milliseconds_since(begin) / times;
}

// The times of one kernel, by round.
struct Measured {
  KernelCase kernel;
  int times = 1;
  std::vector<double> milliseconds;

  double work() const { return kernel.bytes > 0 ? kernel.bytes : kernel.flops; }
};

double median_of(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

// The median over rounds of the bandwidth relative to the copy.
double share_of(const Measured& copy, const Measured& one) {
  std::vector<double> shares;
  for (std::size_t round = 0; round < copy.milliseconds.size(); ++round) {
    shares.push_back(one.work() / one.milliseconds[round] /
                     (copy.work() / copy.milliseconds[round]));
  }
  return median_of(shares);
}

void print(const Arguments& a, const Measured& copy, const Measured& one) {
  const bool moves = one.kernel.bytes > 0;
  const auto [least, most] = std::minmax_element(one.milliseconds.begin(), one.milliseconds.end());
  const double median = median_of(one.milliseconds);
  nlohmann::ordered_json line{{"benchmark", "kernels"},
                              {"workload", one.kernel.name},
                              {"device", a.device},
                              {"dtype", a.dtype},
                              {"sizes", a.small ? "small" : "gpt2-124m"},
                              {"repeats", a.repeats},
                              {"value", one.work() / median / (moves ? 1e6 : 1e9)},
                              {"unit", moves ? "GB/s" : "TFLOP/s"},
                              {"ms", {{"min", *least}, {"median", median}, {"max", *most}}}};
  if (moves) line["share_of_copy"] = share_of(copy, one);
  std::cout << line << std::endl;
}

void measure(const Arguments& a) {
  kernels::set_cpu_threads(a.threads);
  const Device device = a.device == "cuda" ? Device::cuda() : Device::cpu();
  const DType dtype = a.dtype == "bf16" ? DType::bfloat16 : DType::float32;
  const auto sizes = a.small ? benchmarks::small_sizes() : benchmarks::sizes_of_gpt2();
  std::vector<Measured> all;
  for (KernelCase& kernel : benchmarks::kernel_cases(sizes, device, dtype)) {
    if (!all.empty() && kernel.name.find(a.only) == std::string::npos) continue;
    all.push_back({std::move(kernel), 1, {}});
  }
  for (Measured& one : all) {
    time_of(one.kernel, device, 1);  // warmup: chooses algorithms, allocates memory
    const double once = time_of(one.kernel, device, 1);
    one.times = static_cast<int>(std::clamp(std::ceil(a.milliseconds / once), 1.0, 200.0));
  }
  for (int round = 0; round < a.repeats; ++round) {
    for (Measured& one : all) one.milliseconds.push_back(time_of(one.kernel, device, one.times));
  }
  for (const Measured& one : all) print(a, all.front(), one);
}

}  // namespace

int main(int argc, char** argv) {
  Arguments a;
  CLI::App app(
      "Measures kernels with the sizes of a GPT and a copy. Prints one line of JSON per kernel.");
  app.add_option("--device", a.device)
      ->check(CLI::IsMember({"cpu", "cuda"}))
      ->capture_default_str();
  app.add_option("--dtype", a.dtype)->check(CLI::IsMember({"f32", "bf16"}))->capture_default_str();
  app.add_option("--only", a.only, "measure only kernels whose name contains this");
  app.add_option("--threads", a.threads)->check(CLI::PositiveNumber)->capture_default_str();
  app.add_option("--repeats", a.repeats)->check(CLI::PositiveNumber)->capture_default_str();
  app.add_option("--milliseconds", a.milliseconds, "approximate duration of one measurement")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_flag("--small", a.small, "small sizes, for a CPU");
  return benchmarks::run_benchmark(app, argc, argv, [&] { measure(a); });
}
