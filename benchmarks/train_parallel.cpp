// train_parallel: data-parallel training of a workload over the ranks of a job, in several modes of
// communication that are measured alternately, for comparison with mode "plain".
//
//   tests/cluster/hosts.sh over 2@100mbit build/release/bin/train_parallel --link-bits-per-s 100e6
//
// "bare" trains without DataParallel, "alone" with a DataParallel of one rank on each rank,
// "diloco_wire" sends its outer steps as bfloat16. For each mode it also prints the prediction of
// the alpha-beta model from the computation of "alone" and the link (link_model.h).
#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <iostream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "link_model.h"
#include "process_load.h"
#include "program.h"
#include "ripieno/core/arena/parameters.h"
#include "ripieno/distributed/communicators/mpi/mpi_world.h"
#include "ripieno/distributed/data_parallel.h"
#include "ripieno/distributed/gradients/buckets.h"
#include "ripieno/distributed/gradients/power_sgd.h"
#include "ripieno/kernels/cpu_threads.h"
#include "workloads.h"

namespace {

using namespace ripieno;
using namespace ripieno::benchmarks;
using distributed::DataParallel;
using distributed::DataParallelOptions;

struct Arguments {
  std::string workload = "gpt-10m";
  std::vector<std::string> modes = {"alone", "plain", "wire", "power_sgd", "diloco"};
  int64_t batch = 0;  // 0: the default of the workload
  int threads = 1, rounds = 5, steps = 1, warmup = 2;
  int power_sgd_rank = 16, diloco_steps = 50;
  double bucket_bytes = 0;  // 0: measured to suit the link
  double link_bits_per_second = 1e9, latency_us = 50;
};

const std::vector<std::string> kModes = {"bare",        "alone",           "plain",
                                         "wire",        "power_sgd",       "diloco",
                                         "diloco_wire", "shard_optimizer", "shard_gradients"};

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

// The largest value of all ranks.
double largest(distributed::Communicator& ranks, double value) {
  const Tensor mine = Tensor::of<double>({1}, {value});
  const Tensor all({ranks.size()}, DType::float64);
  ranks.all_gather(all, mine);
  const auto values = all.to_vector<double>();
  return *std::max_element(values.begin(), values.end());
}

// Means per step of one round.
struct Sample {
  double step = 0, backward = 0, exposed = 0, optimizer = 0;  // seconds
  ProcessLoad load;
};

// One mode, with a separate model.
class Trainee {
 public:
  Trainee(const Arguments& a, const std::string& mode, distributed::Communicator& ranks)
      : mode_(mode),
        steps_(a.steps),
        workload_(make_workload(a.workload, a.batch, Device::cpu(), DType::float32)),
        alone_(distributed::alone()) {
    if (a.bucket_bytes > 0) options_.bucket_bytes = static_cast<std::size_t>(a.bucket_bytes);
    if (is_narrow()) options_.wire = DType::bfloat16;
    if (mode == "shard_optimizer") options_.shard = distributed::Shard::optimizer;
    if (mode == "shard_gradients") options_.shard = distributed::Shard::gradients;
    if (mode == "power_sgd") options_.power_sgd_rank = a.power_sgd_rank;
    if (is_diloco()) steps_ = static_cast<int>(options_.diloco.steps = a.diloco_steps);
    if (mode == "bare") return;
    distributed::Communicator& group = mode == "alone" ? *alone_ : ranks;
    parallel_ =
        std::make_unique<DataParallel>(*workload_.model, *workload_.optimizer, group, options_);
  }

  void train(int steps) {
    for (int i = 0; i < steps; ++i) parallel_ ? step() : bare_step();
  }

  void measure_round() {
    using Clock = std::chrono::steady_clock;
    const distributed::ParallelSeconds before = seconds();
    const ProcessLoad load = load_now();
    const auto start = Clock::now();
    train(steps_);
    const double whole = std::chrono::duration<double>(Clock::now() - start).count();
    const distributed::ParallelSeconds after = seconds();
    const double n = steps_;
    samples_.push_back({whole / n, (after.backward - before.backward) / n,
                        (after.communication_exposed - before.communication_exposed) / n,
                        (after.optimizer - before.optimizer) / n, load_now() - load});
  }

  const std::string& mode() const { return mode_; }
  bool is_diloco() const { return mode_.starts_with("diloco"); }
  bool is_narrow() const { return mode_.ends_with("wire"); }
  std::size_t bucket_bytes() const { return parallel_ ? parallel_->bucket_size().bytes : 0; }
  const Workload& workload() const { return workload_; }
  double steps() const { return steps_; }
  double rounds() const { return static_cast<double>(samples_.size()); }
  double median_of(double Sample::*member) const { return median(values_of(member)); }
  std::vector<double> values_of(double Sample::*member) const {
    std::vector<double> values;
    for (const Sample& sample : samples_) values.push_back(sample.*member);
    return values;
  }
  // The mean per step.
  double load_of(double ProcessLoad::*member) const {
    double total = 0;
    for (const Sample& sample : samples_) total += sample.load.*member;
    return total / (rounds() * steps_);
  }

  // The all-reduces of one communication.
  Traffic traffic() const {
    if (mode_ == "bare" || mode_ == "alone") return {};
    const ArenaLayout& layout = workload_.model->parameters().layout();
    const auto buckets = distributed::buckets_of(layout, sizeof(float), bucket_bytes());
    const auto count = static_cast<double>(buckets.size());
    const auto numbers = static_cast<double>(layout.elements());
    if (is_narrow()) return {2.0 * numbers, count};
    if (mode_ == "power_sgd") {
      const int64_t compressed = distributed::power_sgd_elements(layout, options_.power_sgd_rank);
      return {4.0 * static_cast<double>(compressed), 2.0 * count};
    }
    return {4.0 * numbers, count};
  }

  double predicted_seconds(const Computation& computation, const Link& link) const {
    const double communication = communication_seconds(link, traffic());
    if (is_diloco()) return separate_step_seconds(computation, communication, steps_);
    return overlapped_step_seconds(computation, communication);
  }

 private:
  void step() {
    parallel_->backward(workload_.loss());
    parallel_->step();
  }
  void bare_step() {
    const Loss loss = workload_.loss();
    loss.sum.backward();
    workload_.optimizer->step(loss.count);
  }
  distributed::ParallelSeconds seconds() const {
    return parallel_ ? parallel_->seconds() : distributed::ParallelSeconds();
  }

  std::string mode_;
  int steps_;
  Workload workload_;
  DataParallelOptions options_;
  std::unique_ptr<distributed::Communicator> alone_;
  std::unique_ptr<DataParallel> parallel_;
  std::vector<Sample> samples_;
};

// The median over rounds of the ratio of two modes measured in the same round.
double times_as_fast(const Trainee& one, const Trainee& other) {
  const auto mine = one.values_of(&Sample::step), theirs = other.values_of(&Sample::step);
  std::vector<double> ratios;
  for (std::size_t i = 0; i < mine.size(); ++i) ratios.push_back(theirs[i] / mine[i]);
  return median(ratios);
}

nlohmann::ordered_json spread_ms(const std::vector<double>& seconds) {
  const auto [least, most] = std::minmax_element(seconds.begin(), seconds.end());
  return {{"min", 1e3 * *least}, {"median", 1e3 * median(seconds)}, {"max", 1e3 * *most}};
}

nlohmann::ordered_json report(const Arguments& a, const Trainee& trainee, int ranks,
                              double exposed_share) {
  const double step = trainee.median_of(&Sample::step);
  const int trained = trainee.traffic().bytes > 0 ? ranks : 1;
  return {{"benchmark", "train_parallel"},
          {"workload", a.workload},
          {"mode", trainee.mode()},
          {"device", "cpu"},
          {"ranks", trained},
          {"batch", trainee.workload().batch},
          {"threads", a.threads},
          {"bucket_bytes", trainee.bucket_bytes()},
          {"value", trained * trainee.workload().units() / step},
          {"unit", trainee.workload().unit},
          {"rounds", trainee.rounds()},
          {"steps_a_round", trainee.steps()},
          {"step_ms", spread_ms(trainee.values_of(&Sample::step))},
          {"exposed_ms", spread_ms(trainee.values_of(&Sample::exposed))},
          {"exposed_share", exposed_share},
          {"a_step",
           {{"bytes_sent", trainee.load_of(&ProcessLoad::bytes_sent)},
            {"user_ms", 1e3 * trainee.load_of(&ProcessLoad::user_seconds)},
            {"system_ms", 1e3 * trainee.load_of(&ProcessLoad::system_seconds)},
            {"softirq_ms_of_the_machine", 1e3 * trainee.load_of(&ProcessLoad::softirq_seconds)}}}};
}

void add_prediction(nlohmann::ordered_json& line, const Trainee& trainee, const Trainee& alone,
                    const Link& link) {
  const double backward = alone.median_of(&Sample::backward);
  const double optimizer = alone.median_of(&Sample::optimizer);
  const double step = alone.median_of(&Sample::step);
  const Computation computation{step - backward - optimizer, backward, optimizer};
  const double predicted = trainee.predicted_seconds(computation, link);
  line["predicted"] = {
      {"step_ms", 1e3 * predicted},
      {"communication_ms", 1e3 * communication_seconds(link, trainee.traffic())},
      {"bytes_all_reduced", trainee.traffic().bytes},
      {"all_reduces", trainee.traffic().all_reduces},
      {"formula", trainee.is_diloco()
                      ? "forward + backward + optimizer + communication / steps_a_round"
                      : "forward + max(backward, communication) + optimizer"},
      {"communication", "all_reduces x 2 x latency + 2 (N - 1) / N x bytes x 8 / bits a second"}};
  line["share_of_prediction"] = predicted / trainee.median_of(&Sample::step);
}

void measure(const Arguments& a) {
  kernels::set_cpu_threads(a.threads);
  const distributed::MpiEnvironment mpi;
  const auto ranks = distributed::mpi_world();
  std::vector<std::unique_ptr<Trainee>> trainees;
  std::map<std::string, const Trainee*> by_name;
  for (const std::string& mode : a.modes) {
    trainees.push_back(std::make_unique<Trainee>(a, mode, *ranks));
    by_name[mode] = trainees.back().get();
  }
  for (const auto& trainee : trainees) trainee->train(a.warmup);
  for (int round = 0; round < a.rounds; ++round) {
    for (const auto& trainee : trainees) {
      ranks->barrier();
      trainee->measure_round();
    }
  }
  const Link link{a.link_bits_per_second, a.latency_us * 1e-6, ranks->size()};
  for (const auto& trainee : trainees) {
    const double share =
        largest(*ranks, trainee->median_of(&Sample::exposed)) / trainee->median_of(&Sample::step);
    auto line = report(a, *trainee, ranks->size(), share);
    if (trainee->traffic().bytes > 0 && by_name.contains("alone")) {
      add_prediction(line, *trainee, *by_name["alone"], link);
    }
    for (const std::string reference : {"bare", "plain"}) {
      if (!by_name.contains(reference) || reference == trainee->mode()) continue;
      line["times_as_fast_as_" + reference] = times_as_fast(*trainee, *by_name[reference]);
    }
    if (ranks->rank() == 0) std::cout << line << std::endl;
  }
}

}  // namespace

int main(int argc, char** argv) {
  Arguments a;
  CLI::App app(
      "Measures data-parallel training. Run it under mpirun. Prints one line of JSON per mode.");
  app.add_option("--workload", a.workload)
      ->check(CLI::IsMember(workload_names()))
      ->capture_default_str();
  app.add_option("--modes", a.modes, "modes to measure alternately")
      ->check(CLI::IsMember(kModes))
      ->capture_default_str();
  app.add_option("--batch", a.batch, "samples per step and rank (default: that of the workload)");
  app.add_option("--threads", a.threads)->check(CLI::PositiveNumber)->capture_default_str();
  app.add_option("--rounds", a.rounds)->check(CLI::PositiveNumber)->capture_default_str();
  app.add_option("--steps", a.steps, "steps per round")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--warmup", a.warmup, "warmup steps of each mode")->capture_default_str();
  app.add_option("--power-sgd-rank", a.power_sgd_rank)
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--diloco-steps", a.diloco_steps,
                 "steps between outer steps, which are one round of DiLoCo modes")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--bucket-bytes", a.bucket_bytes,
                 "size of a bucket in bytes (default: measured to suit the link)");
  app.add_option("--link-bits-per-s", a.link_bits_per_second,
                 "bandwidth of the link of each rank, for the prediction")
      ->capture_default_str();
  app.add_option("--latency-us", a.latency_us,
                 "one-way latency of the link in microseconds, for the prediction")
      ->capture_default_str();
  return benchmarks::run_benchmark(app, argc, argv, [&] { measure(a); });
}
