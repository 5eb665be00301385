// train_step: how fast one process takes whole training steps of a workload, and with --strict what
// strict mode adds to them: the two take turns.
// benchmarks/peers/torch_peer.py runs the same ones, by the same names, with PyTorch.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <functional>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "ripieno/distributed/data_parallel.h"
#include "ripieno/kernels/cpu_threads.h"
#include "workloads.h"

namespace {

using namespace ripieno;
using benchmarks::Workload;

struct Arguments {
  std::string workload, device = "cpu", dtype = "f32";
  int64_t batch = 0;  // 0: the workload's own
  int threads = 2, steps = 10, warmup = 3;
  bool strict = false, parallel = false;
  int slots = 8;
};

// One whole training step; returns its loss.
double step(const Workload& workload) {
  const Loss loss = workload.loss();
  loss.sum.backward();
  workload.optimizer->step(loss.count);
  return loss.mean();
}

// The same in strict mode, of a model of its own.
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

// The same through DataParallel on one rank, of the same model: what it costs by itself.
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

// In turn, each first as often as the other, so that neither gets the better half.
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

void measure(const Arguments& a) {
  kernels::set_cpu_threads(a.threads);
  const Workload workload = make(a);
  const auto strict = a.strict ? std::make_unique<StrictTraining>(make(a), a.slots) : nullptr;
  std::vector<double> seconds, strict_seconds, ratios;
  double loss = 0.0;
  for (int i = -a.warmup; i < a.steps; ++i) {
    const double plain = seconds_of([&] { loss = step(workload); });
    const double in_slots = strict ? seconds_of([&] { strict->step(); }) : 0.0;
    if (i < 0) continue;
    seconds.push_back(plain);
    strict_seconds.push_back(in_slots);
    ratios.push_back(in_slots / plain);
  }
  nlohmann::ordered_json result{{"benchmark", "train_step"},
                                {"workload", a.workload},
                                {"device", a.device},
                                {"dtype", a.dtype},
                                {"batch", workload.batch},
                                {"threads", a.threads},
                                {"value", workload.units() / median_of(seconds)},
                                {"unit", workload.unit},
                                {"step_ms", milliseconds(seconds)},
                                {"parameters", workload.model->parameters().elements()},
                                {"last_loss", loss}};
  if (strict) {
    result["strict"] = {{"slots", a.slots},
                        {"says", strict->description()},
                        {"step_ms", milliseconds(strict_seconds)},
                        {"cost_percent", 1e2 * (median_of(ratios) - 1)}};
  }
  if (a.parallel) result["parallel"] = compare_with_parallel(a, workload);
  std::cout << result << "\n";
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
  app.add_flag("--strict", a.strict, "take turns with steps in strict mode, and compare");
  app.add_flag("--parallel", a.parallel,
               "take turns with steps through DataParallel on one rank, and compare");
  app.add_option("--slots", a.slots)->check(CLI::PositiveNumber)->capture_default_str();
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
