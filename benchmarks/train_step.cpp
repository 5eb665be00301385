// train_step: the time of training steps of a workload in one process, and with --strict the
// overhead of strict mode, measured alternately. benchmarks/peers/torch_peer.py trains the same
// workloads with PyTorch; benchmarks/compare_with_peer.py measures both alternately.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <fstream>
#include <functional>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "program.h"
#include "ripieno/core/device/stream.h"
#include "ripieno/distributed/data_parallel.h"
#include "ripieno/kernels/cpu_threads.h"
#include "ripieno/training/step_graph.h"
#include "workloads.h"

namespace {

using namespace ripieno;
using benchmarks::Workload;

struct Arguments {
  std::string workload, device = "cpu", dtype = "f32";
  int64_t batch = 0;  // 0: the default of the workload
  int threads = 2, steps = 10, warmup = 3;
  bool strict = false, parallel = false, graph = false, rounds = false;
  int slots = 8;
};

// Runs a training step; on a GPU only enqueues it.
Loss enqueue_step(const Workload& workload) {
  const Loss loss = workload.loss();
  loss.sum.backward();
  workload.optimizer->step(loss.count);
  return loss;
}

// Runs a training step and waits for it. Returns its loss.
double step(const Workload& workload) { return enqueue_step(workload).mean(); }

// The same in strict mode, with a separate model.
class StrictTraining {
 public:
  StrictTraining(const Workload& workload, int slots)
      : workload_(workload),
        ranks_(distributed::alone()),
        parallel_(*workload.model, *workload.optimizer, *ranks_, {.slots = slots}) {}

  void step() {
    parallel_.backward(workload_.batch, workload_.loss_of_rows);
    parallel_.step();
    parallel_.loss().mean();
  }
  std::string description() const { return parallel_.description(); }

 private:
  Workload workload_;
  std::unique_ptr<distributed::Communicator> ranks_;
  distributed::DataParallel parallel_;
};

// The same through DataParallel on one rank with the same model, to measure its overhead.
double parallel_step(const Workload& workload, distributed::DataParallel& parallel) {
  parallel.backward(workload.loss());
  parallel.step();
  return parallel.loss().mean();
}

double seconds_of(const std::function<void()>& action) {
  using Clock = std::chrono::steady_clock;
  const auto start = Clock::now();
  action();
  return std::chrono::duration<double>(Clock::now() - start).count();
}

double median_of(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

nlohmann::ordered_json milliseconds(const std::vector<double>& seconds) {
  const auto [least, most] = std::minmax_element(seconds.begin(), seconds.end());
  return {{"min", 1e3 * *least}, {"median", 1e3 * median_of(seconds)}, {"max", 1e3 * *most}};
}

Workload make(const Arguments& a) {
  return benchmarks::make_workload(a.workload, a.batch,
                                   a.device == "cuda" ? Device::cuda() : Device::cpu(),
                                   a.dtype == "bf16" ? DType::bfloat16 : DType::float32);
}

// Measured alternately, and in alternating order, so that neither has an advantage.
nlohmann::ordered_json compare_with_parallel(const Arguments& a, const Workload& workload) {
  const auto ranks = distributed::alone();
  distributed::DataParallel parallel(*workload.model, *workload.optimizer, *ranks);
  std::vector<double> bare, through, ratios;
  for (int i = -a.warmup; i < a.steps; ++i) {
    const auto time_bare = [&] { return seconds_of([&] { step(workload); }); };
    const auto time_through = [&] {
      return seconds_of([&] { parallel_step(workload, parallel); });
    };
    const double first = i % 2 == 0 ? time_bare() : time_through();
    const double second = i % 2 == 0 ? time_through() : time_bare();
    if (i < 0) continue;
    bare.push_back(i % 2 == 0 ? first : second);
    through.push_back(i % 2 == 0 ? second : first);
    ratios.push_back(through.back() / bare.back());
  }
  return {{"bare_step_ms", milliseconds(bare)},
          {"step_ms", milliseconds(through)},
          {"cost_percent", 1e2 * (median_of(ratios) - 1)},
          {"cost_percent_of_medians", 1e2 * (median_of(through) / median_of(bare) - 1)}};
}

// Steps that replay a CUDA graph beside the same steps without, in alternating groups of a.steps:
// the host waits only at the end of a group.
nlohmann::ordered_json compare_with_graph(const Arguments& a, const Workload& workload) {
  constexpr int kGroups = 5;
  const auto ranks = distributed::alone();
  distributed::DataParallel parallel(*workload.model, *workload.optimizer, *ranks);
  StepGraph graph(parallel, {.mode = StepGraphOptions::Mode::on});
  const StepGraph::Step enqueue = [&](const io::Batch&) {
    parallel.backward(workload.loss());
    parallel.step();
  };
  const auto time_of_step = [&](int steps, const std::function<void()>& step) {
    const double seconds = seconds_of([&] {
      for (int i = 0; i < steps; ++i) step();
      parallel.loss().mean();
    });
    return seconds / steps;
  };
  std::vector<double> plain, replayed, ratios;
  time_of_step(4, [&] { graph.run({}, enqueue); });  // records it
  for (int group = -1; group < kGroups; ++group) {
    const double without = time_of_step(a.steps, [&] { enqueue({}); });
    const double with = time_of_step(a.steps, [&] { graph.run({}, enqueue); });
    if (group < 0) continue;
    plain.push_back(without);
    replayed.push_back(with);
    ratios.push_back(without / with);
  }
  return {{"step_ms_without", milliseconds(plain)},
          {"step_ms", milliseconds(replayed)},
          {"operations", graph.operations()},
          {"speedup", median_of(ratios)}};
}

// Seconds since this process started, including loading (proc(5): field 22 of stat, in clock
// ticks).
double seconds_since_start() {
  std::ifstream stat("/proc/self/stat"), uptime("/proc/uptime");
  std::string text;
  std::getline(stat, text);
  std::istringstream fields(text.substr(text.rfind(')') + 2));
  for (int field = 3; field < 22; ++field) fields >> text;
  double ticks = 0, now = 0;
  fields >> ticks;
  uptime >> now;
  return now - ticks / static_cast<double>(sysconf(_SC_CLK_TCK));
}

struct Round {
  std::vector<double> seconds, strict_seconds;  // per step
  double loss = 0.0;
};

// `together`: on a GPU the steps are measured as one, because the host runs ahead of them.
Round run_round(const Workload& workload, StrictTraining* strict, int steps, bool together) {
  Round round;
  if (together) {
    const double all = seconds_of([&] {
      for (int i = 1; i < steps; ++i) enqueue_step(workload);
      round.loss = step(workload);
    });
    round.seconds.assign(1, all / steps);
    return round;
  }
  for (int i = 0; i < steps; ++i) {
    round.seconds.push_back(seconds_of([&] { round.loss = step(workload); }));
    if (strict) round.strict_seconds.push_back(seconds_of([&] { strict->step(); }));
  }
  return round;
}

nlohmann::ordered_json result_of(const Arguments& a, const Workload& workload, const Round& round) {
  return {
      {"benchmark", "train_step"},
      {"workload", a.workload},
      {"device", a.device},
      {"dtype", a.dtype},
      {"batch", workload.batch},
      {"threads", a.threads},
      {"value", workload.units() / median_of(round.seconds)},
      {"unit", workload.unit},
      {"step_ms", milliseconds(round.seconds)},
      {"parameters", workload.model->parameters().elements()},
      {"last_loss", round.loss},
      {"peak_bytes", pool_statistics(workload.model->parameters().values().device()).bytes_held}};
}

nlohmann::ordered_json compare_with_strict(const Round& round, const StrictTraining& strict,
                                           int slots) {
  std::vector<double> ratios;
  for (std::size_t i = 0; i < round.seconds.size(); ++i)
    ratios.push_back(round.strict_seconds[i] / round.seconds[i]);
  return {{"slots", slots},
          {"says", strict.description()},
          {"step_ms", milliseconds(round.strict_seconds)},
          {"cost_percent", 1e2 * (median_of(ratios) - 1)}};
}

void measure(const Arguments& a) {
  kernels::set_cpu_threads(a.threads);
  const bool together = a.device == "cuda" && !a.strict;
  const Workload workload = make(a);
  const auto strict = a.strict ? std::make_unique<StrictTraining>(make(a), a.slots) : nullptr;
  step(workload);
  const double to_first_step = seconds_since_start();
  run_round(workload, strict.get(), a.warmup, false);
  const auto report = [&] {
    const Round round = run_round(workload, strict.get(), a.steps, together);
    auto result = result_of(a, workload, round);
    result["seconds_to_first_step"] = to_first_step;
    if (strict) result["strict"] = compare_with_strict(round, *strict, a.slots);
    if (a.parallel) result["parallel"] = compare_with_parallel(a, workload);
    if (a.graph) result["graph"] = compare_with_graph(a, workload);
    std::cout << result << std::endl;
  };
  if (!a.rounds) return report();
  for (std::string line; std::getline(std::cin, line);) report();
}

}  // namespace

int main(int argc, char** argv) {
  Arguments a;
  CLI::App app("Measures training steps. Prints one line of JSON per round.");
  app.add_option("--workload", a.workload)
      ->required()
      ->check(CLI::IsMember(benchmarks::workload_names()));
  app.add_option("--device", a.device)
      ->check(CLI::IsMember({"cpu", "cuda"}))
      ->capture_default_str();
  app.add_option("--dtype", a.dtype)->check(CLI::IsMember({"f32", "bf16"}))->capture_default_str();
  app.add_option("--batch", a.batch, "samples per step (default: that of the workload)");
  app.add_option("--threads", a.threads)->check(CLI::PositiveNumber)->capture_default_str();
  app.add_option("--steps", a.steps)->check(CLI::PositiveNumber)->capture_default_str();
  app.add_option("--warmup", a.warmup)->capture_default_str();
  app.add_flag("--strict", a.strict, "also measure strict mode, alternately");
  app.add_flag("--parallel", a.parallel, "also measure DataParallel on one rank, alternately");
  app.add_flag("--graph", a.graph, "also measure replayed steps (CUDA graph), alternately");
  app.add_flag("--rounds", a.rounds,
               "run a round of --steps steps for each line of standard input");
  app.add_option("--slots", a.slots)->check(CLI::PositiveNumber)->capture_default_str();
  return benchmarks::run_benchmark(app, argc, argv, [&] { measure(a); });
}
