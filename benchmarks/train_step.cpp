// train_step: how fast one process takes whole training steps of a workload.
// benchmarks/peers/torch_peer.py runs the same ones, by the same names, with PyTorch.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "ripieno/kernels/cpu_threads.h"
#include "workloads.h"

namespace {

using namespace ripieno;
using benchmarks::Workload;

struct Arguments {
  std::string workload, device = "cpu", dtype = "f32";
  int64_t batch = 0;  // 0: the workload's own
  int threads = 2, steps = 10, warmup = 3;
};

// One whole training step; returns its loss.
double step(const Workload& workload) {
  const Loss loss = workload.loss();
  loss.sum.backward();
  workload.optimizer->step(loss.count);
  return loss.mean();
}

void measure(const Arguments& a) {
  using Clock = std::chrono::steady_clock;
  kernels::set_cpu_threads(a.threads);
  const Workload workload = benchmarks::make_workload(
      a.workload, a.batch, a.device == "cuda" ? Device::cuda() : Device::cpu(),
      a.dtype == "bf16" ? DType::bfloat16 : DType::float32);
  for (int i = 0; i < a.warmup; ++i) step(workload);
  std::vector<double> seconds;
  double loss = 0.0;
  for (int i = 0; i < a.steps; ++i) {
    const auto start = Clock::now();
    loss = step(workload);
    seconds.push_back(std::chrono::duration<double>(Clock::now() - start).count());
  }
  std::sort(seconds.begin(), seconds.end());
  const std::size_t half = seconds.size() / 2;
  const double median =
      seconds.size() % 2 == 1 ? seconds[half] : (seconds[half - 1] + seconds[half]) / 2;
  std::cout << nlohmann::ordered_json{{"benchmark", "train_step"},
                                      {"workload", a.workload},
                                      {"device", a.device},
                                      {"dtype", a.dtype},
                                      {"batch", workload.batch},
                                      {"threads", a.threads},
                                      {"value", workload.units() / median},
                                      {"unit", workload.unit},
                                      {"step_ms",
                                       {{"min", 1e3 * seconds.front()},
                                        {"median", 1e3 * median},
                                        {"max", 1e3 * seconds.back()}}},
                                      {"parameters", workload.model->parameters().elements()},
                                      {"last_loss", loss}}
            << "\n";
}

}  // namespace

int main(int argc, char** argv) {
  Arguments a;
  CLI::App app("Times whole training steps; prints one line of JSON.");
  app.add_option("--workload", a.workload)
      ->required()
      ->check(CLI::IsMember(benchmarks::workload_names()));
  app.add_option("--device", a.device)
      ->check(CLI::IsMember({"cpu", "cuda"}))
      ->capture_default_str();
  app.add_option("--dtype", a.dtype)->check(CLI::IsMember({"f32", "bf16"}))->capture_default_str();
  app.add_option("--batch", a.batch, "samples a step; the workload's own where not given");
  app.add_option("--threads", a.threads)->check(CLI::PositiveNumber)->capture_default_str();
  app.add_option("--steps", a.steps)->check(CLI::PositiveNumber)->capture_default_str();
  app.add_option("--warmup", a.warmup)->capture_default_str();
  try {
    app.parse(argc, argv);
    measure(a);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 64;
  } catch (const std::exception& error) {
    std::cerr << "train_step: " << error.what() << "\n";
    return 78;
  }
}
