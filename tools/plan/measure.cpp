#include "ripieno/tools/plan/measure.h"

#include <fmt/format.h>
#include <sys/sysinfo.h>

#include <algorithm>
#include <barrier>
#include <chrono>
#include <cstring>
#include <functional>
#include <thread>
#include <vector>

#include "ripieno/core/device/device_memory.h"
#include "ripieno/core/error.h"
#include "ripieno/core/optim/optimizers.h"
#include "ripieno/core/random.h"
#include "ripieno/core/start_thread.h"
#include "ripieno/kernels/cpu_threads.h"

namespace ripieno::tools::plan {
namespace {

using Clock = std::chrono::steady_clock;

constexpr double kSeconds = 3;  // of measuring steps, about
constexpr int kWarmup = 2, kFewestSteps = 5, kMostSteps = 2000;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

// The phases of one micro-batch and one step of the optimizer.
struct Times {
  double forward = 0, backward = 0, optimizer = 0;
};

// What one rank of the host does.
class Trainee {
 public:
  Trainee(const ConfiguredJob& configured, int64_t rows)
      : model_(configured.model().build(configured.data())) {
    const TrainingOptions& options = configured.options();
    model_->to(Device::cpu(), options.precision);
    optim::OptimizerOptions optimizer_options = options.optimizer;
    optimizer_options.scales_loss = options.precision == DType::float16;
    optimizer_ =
        optim::make_optimizer(options.optimizer_kind, model_->parameters(), optimizer_options);
    loss_ = configured.model().loss_of_random_rows(*model_, configured.data(), rows);
  }

  Times step() {
    const auto start = Clock::now();
    const Loss loss = loss_();
    const double forward = seconds_since(start);
    loss.sum.backward(optimizer_->loss_scale());
    const double both = seconds_since(start);
    optimizer_->step(loss.count);
    return {forward, both - forward, seconds_since(start) - both};
  }

 private:
  std::unique_ptr<nn::Module> model_;
  std::unique_ptr<optim::Optimizer> optimizer_;
  std::function<Loss()> loss_;
};

// The ranks of a host, which take their steps together: the slowest decides.
class Host {
 public:
  Host(const ConfiguredJob& configured, int ranks, int threads, int64_t rows)
      : configured_(configured), threads_(threads), rows_(rows), barrier_(ranks), last_(ranks) {
    for (int rank = 1; rank < ranks; ++rank)
      others_.push_back(start_thread("to measure a rank", [this, rank] { run(rank); }));
    run(0);
    for (std::thread& other : others_) other.join();
  }

  MeasuredStep result() const {
    MeasuredStep result{.rows = rows_};
    for (double Times::*phase : {&Times::forward, &Times::backward, &Times::optimizer}) {
      std::vector<double> values;
      for (const Times& times : steps_) values.push_back(times.*phase);
      (phase == &Times::forward    ? result.forward
       : phase == &Times::backward ? result.backward
                                   : result.optimizer) = median(values);
    }
    return result;
  }

 private:
  void run(int rank) {
    kernels::set_cpu_threads(threads_);
    Trainee trainee(configured_, rows_);
    const auto index = static_cast<std::size_t>(rank);
    for (int step = 0; !done_; ++step) {
      barrier_.arrive_and_wait();
      last_[index] = trainee.step();
      barrier_.arrive_and_wait();
      if (rank == 0) note(step);
      barrier_.arrive_and_wait();
    }
    kernels::set_cpu_threads(1);
  }

  void note(int step) {
    if (step < kWarmup) return;
    if (step == kWarmup) start_ = Clock::now();
    const auto slowest =
        std::max_element(last_.begin(), last_.end(), [](const Times& a, const Times& b) {
          return a.forward + a.backward + a.optimizer < b.forward + b.backward + b.optimizer;
        });
    steps_.push_back(*slowest);
    const int taken = step + 1 - kWarmup;
    done_ = taken >= kMostSteps || (taken >= kFewestSteps && seconds_since(start_) > kSeconds);
  }

  const ConfiguredJob& configured_;
  const int threads_;
  const int64_t rows_;
  std::barrier<> barrier_;
  std::vector<Times> last_;  // (ranks)
  std::vector<Times> steps_;
  Clock::time_point start_;
  bool done_ = false;  // written between barriers
  std::vector<std::thread> others_;
};

// Bytes per second that all cores read and write together by copying.
double copy_rate(int threads) {
  constexpr std::size_t kBytes = std::size_t{64} << 20;
  constexpr int kTimes = 4;
  std::vector<std::vector<std::byte>> from(static_cast<std::size_t>(threads)), to = from;
  for (auto& buffer : from) buffer.resize(kBytes);
  for (auto& buffer : to) buffer.resize(kBytes);
  const auto start = Clock::now();
  std::vector<std::thread> copying;
  for (std::size_t i = 0; i < from.size(); ++i) {
    copying.push_back(start_thread("to measure memory", [&, i] {
      for (int time = 0; time < kTimes; ++time) std::memcpy(to[i].data(), from[i].data(), kBytes);
    }));
  }
  for (std::thread& thread : copying) thread.join();
  return 2.0 * kTimes * static_cast<double>(kBytes) * threads / seconds_since(start);
}

double free_memory() {
  struct sysinfo info = {};
  sysinfo(&info);
  return static_cast<double>(info.freeram + info.bufferram) * info.mem_unit;
}

void require_memory(const Question& question, const Placement& placement, int64_t rows) {
  Job job = question.job;
  job.parallel.micro_batch_size = rows;
  job.parallel.shard = distributed::Shard::none;
  const double needed =
      placement.on_host() *
      static_cast<double>(forecast({.job = job, .machine = question.machine}).memory.total());
  if (needed <= 0.5 * free_memory()) return;
  throw ConfigurationError(fmt::format(
      "--measure: {} ranks of this model take {:.1f} GB, more than half of the {:.1f} GB of free "
      "memory; use --calibration FILE, which ripieno doctor writes, or fewer --ranks-per-host",
      placement.on_host(), needed / 1e9, free_memory() / 1e9));
}

}  // namespace

void measure_into(Question& question, const ConfiguredJob& configured) {
  Machine& machine = question.machine;
  const Placement placement =
      placement_of(machine, question.ranks, question.ranks_per_host, question.job.threads);
  const int64_t rows = question.job.micro_rows(question.ranks);
  require_memory(question, placement, rows);
  machine.memory_bytes_per_second = copy_rate(std::max(1, static_cast<int>(machine.cores)));
  machine.memory_share = 1;
  // Each rank of a host reads the numbers of all and writes its share of the sum to all.
  const double ranks = placement.on_host();
  if (ranks > 1)
    machine.inside.bytes_per_second =
        machine.memory_bytes_per_second * (ranks - 1) / (ranks * ranks);
  machine.measured = Host(configured, placement.on_host(), placement.threads, rows).result();
  machine.source =
      fmt::format("measured on this host with {} of this model at once", placement.on_host());
}

}  // namespace ripieno::tools::plan
