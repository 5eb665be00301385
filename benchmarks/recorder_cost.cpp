// recorder_cost: what recording and watching, or a profile, cost a training step.
//
// Measures blocks of steps with a recorder, alternating with blocks without one. A block with a
// recorder does what a Run does: it records each phase of the step, the wait for data, the
// activity and the times of the step, and how long it had no processor, while the threads of the
// recorder write heartbeats. A block with a profile records each operation. With --clock cpu it
// measures the processor time of the whole process, which other processes disturb less than
// wall-clock time.
#include <time.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <filesystem>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "program.h"
#include "ripieno/core/trace.h"
#include "ripieno/distributed/data_parallel.h"
#include "ripieno/kernels/cpu_threads.h"
#include "ripieno/training/profile/recording.h"
#include "ripieno/training/watch/processor_wait.h"
#include "ripieno/training/watch/recorder.h"
#include "workloads.h"

namespace {

using namespace ripieno;
using Clock = std::chrono::steady_clock;

struct Arguments {
  std::string workload = "mlp", directory, of = "recorder", clock = "wall";
  int64_t batch = 0;
  int threads = 1, blocks = 21;
  double seconds = 1.5;  // per block
};

double seconds_of(clockid_t clock) {
  timespec time = {};
  ::clock_gettime(clock, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

class Training {
 public:
  explicit Training(const Arguments& a)
      : workload_(benchmarks::make_workload(a.workload, a.batch, Device::cpu(), DType::float32)),
        ranks_(distributed::alone()),
        parallel_(*workload_.model, *workload_.optimizer, *ranks_),
        clock_(a.clock == "cpu" ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC) {}

  void step() {
    { const trace::Scope traced({.name = "data"}); }
    parallel_.backward(workload_.loss());
    parallel_.step();
  }

  // Seconds per step of a block of steps that takes about so many seconds.
  double block(double seconds, watch::Recorder* recorder) {
    const auto start = Clock::now();
    const double begin = seconds_of(clock_);
    const watch::ProcessorWait processor_wait;
    int64_t steps = 0;
    while (std::chrono::duration<double>(Clock::now() - start).count() < seconds) {
      for (int i = 0; i < 16; ++i) {
        if (recorder) recorder->enter(Activity::step);
        step();
        ++steps;
        if (recorder) recorder->end_step(steps, {});
      }
      if (recorder) recorder->set_processor_wait(processor_wait.seconds().value_or(0), 0);
    }
    return (seconds_of(clock_) - begin) / static_cast<double>(steps);
  }

 private:
  benchmarks::Workload workload_;
  std::unique_ptr<distributed::Communicator> ranks_;
  distributed::DataParallel parallel_;
  const clockid_t clock_;
};

double block_with_recorder(const Arguments& a, Training& training) {
  const auto recorder = watch::Recorder::create({.run_directory = a.directory, .device = "cpu"});
  if (!recorder->remark().empty()) throw StorageError(recorder->remark());
  return training.block(a.seconds, recorder.get());
}

double block_with_profile(const Arguments& a, Training& training) {
  constexpr int64_t kEnough = 20'000'000;
  const auto recording = profiles::Recording::start(Device::cpu(), kEnough);
  const double seconds = training.block(a.seconds, nullptr);
  if (recording->stop().reached_limit) throw StorageError("too many operations for one block");
  return seconds;
}

double block_with(const Arguments& a, Training& training) {
  return a.of == "profile" ? block_with_profile(a, training) : block_with_recorder(a, training);
}

void measure(const Arguments& a) {
  kernels::set_cpu_threads(a.threads);
  Training training(a);
  training.block(a.seconds, nullptr);
  std::vector<double> without, cost;
  for (int i = 0; i < a.blocks; ++i) {
    // In alternating order, so that neither has an advantage.
    double with = i % 2 == 0 ? block_with(a, training) : 0;
    without.push_back(training.block(a.seconds, nullptr));
    if (i % 2 == 1) with = block_with(a, training);
    cost.push_back(with - without.back());
  }
  std::filesystem::remove_all(a.directory);
  const double step = median(without), more = median(cost);
  const auto [least, most] = std::minmax_element(cost.begin(), cost.end());
  std::cout << nlohmann::ordered_json{{"benchmark", "recorder_cost"},
                                      {"of", a.of},
                                      {"workload", a.workload},
                                      {"device", "cpu"},
                                      {"threads", a.threads},
                                      {"clock", a.clock},
                                      {"value", 1e6 * more},
                                      {"unit", "us per step"},
                                      {"step_us", 1e6 * step},
                                      {"percent_of_step", 1e2 * more / step},
                                      {"least_us", 1e6 * *least},
                                      {"most_us", 1e6 * *most},
                                      {"blocks", a.blocks},
                                      {"seconds_per_block", a.seconds}}
            << "\n";
}

}  // namespace

int main(int argc, char** argv) {
  Arguments a;
  CLI::App app("Measures the cost of recording for a training step. Prints one line of JSON.");
  app.add_option("--workload", a.workload)
      ->check(CLI::IsMember(benchmarks::workload_names()))
      ->capture_default_str();
  app.add_option("--of", a.of, "what to measure: the recorder of a run, or a profile")
      ->check(CLI::IsMember({"recorder", "profile"}))
      ->capture_default_str();
  app.add_option("--directory", a.directory,
                 "new run directory on the disk to measure; removed at the end")
      ->required()
      ->check(CLI::NonexistentPath);
  app.add_option("--clock", a.clock, "wall, or cpu: processor time of all threads of the process")
      ->check(CLI::IsMember({"wall", "cpu"}))
      ->capture_default_str();
  app.add_option("--batch", a.batch, "samples per step; 0: the default of the workload")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  app.add_option("--threads", a.threads)->check(CLI::PositiveNumber)->capture_default_str();
  app.add_option("--blocks", a.blocks)->check(CLI::PositiveNumber)->capture_default_str();
  app.add_option("--seconds", a.seconds, "seconds per block")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  return benchmarks::run_benchmark(app, argc, argv, [&] { measure(a); });
}
