// checkpoint_stall: the cost of a background save for training.
//
// Measures blocks of steps with a save at their start, alternating with blocks without one. For
// each save it reports how long the training thread was blocked, and the part of the copy that
// could not be hidden: by how much copying takes longer than the forward and backward that run
// meanwhile.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>

#include "program.h"
#include "ripieno/core/device/copy.h"
#include "ripieno/core/models/gpt.h"
#include "ripieno/core/optim/adamw.h"
#include "ripieno/io/checkpoint/background_save.h"
#include "ripieno/kernels/cpu_threads.h"
#include "ripieno/training/run/training_state.h"

namespace {

using namespace ripieno;
using Clock = std::chrono::steady_clock;

struct Arguments {
  std::string workload, directory;
  int64_t batch = 1;
  int threads = 2, steps = 10, repeats = 5;
};

// Few tokens per step make the state large relative to the computation, which is the harder case.
const std::map<std::string, nn::GptOptions> kWorkloads = {
    {"gpt-10m", {.vocab = 256, .layers = 6, .heads = 6, .channels = 384, .context = 256}},
    {"gpt2-124m", {.vocab = 50257, .layers = 12, .heads = 12, .channels = 768, .context = 128}}};

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

Tensor random_ids(const Shape& shape, int64_t vocabulary) {
  std::mt19937 random(1);
  std::uniform_int_distribution<int32_t> draw(0, static_cast<int32_t>(vocabulary - 1));
  std::vector<int32_t> values(static_cast<std::size_t>(shape.elements()));
  for (int32_t& value : values) value = draw(random);
  return Tensor::of(shape, values);
}

class Training {
 public:
  explicit Training(const Arguments& a)
      : options_(kWorkloads.at(a.workload)),
        model_(options_),
        optimizer_(model_.parameters(), {.learning_rate = 3e-4}),
        ids_(random_ids({a.batch, options_.context}, options_.vocab)),
        saver_(io::local_files(), a.directory) {
    saver_.reserve(state());
    optimizer_.before_step([this] {
      const auto start = Clock::now();
      saver_.wait_until_copied();
      waited_ = seconds_since(start);
    });
  }

  io::State state() { return state_of(model_, optimizer_); }

  double step() {
    const auto start = Clock::now();
    const Loss loss = model_.loss(ids_, ids_);
    loss.sum.backward();
    computed_ = seconds_since(start);
    optimizer_.step(loss.count);
    return seconds_since(start);
  }

  struct Block {
    double seconds = 0;
    double stalled = 0;   // in start() and before the next optimizer step
    double computed = 0;  // the forward and backward between them
    double saved = 0;     // duration of the background save
  };
  Block steps(int count) {
    Block block;
    for (int i = 0; i < count; ++i) block.seconds += step();
    return block;
  }
  Block steps_with_save(int count, int64_t number) {
    const auto start = Clock::now();
    saver_.start(number, state(), {}, {.attempt = std::to_string(number), .keep = {.newest = 1}});
    Block block{.stalled = seconds_since(start)};
    block.seconds = block.stalled;
    for (int i = 0; i < count; ++i) {
      block.seconds += step();
      if (i > 0) continue;
      block.stalled += waited_;
      block.computed = computed_;
    }
    const auto end = Clock::now();
    const auto ended = saver_.wait();
    block.seconds += seconds_since(end);  // the rest of the save would have slowed further steps
    if (!ended->failure.empty()) throw StorageError(ended->failure);
    block.saved = ended->seconds;
    return block;
  }

 private:
  nn::GptOptions options_;
  nn::Gpt model_;
  optim::AdamW optimizer_;
  Tensor ids_;
  double waited_ = 0, computed_ = 0;
  io::BackgroundSaver saver_;
};

// Copies the state on one thread while nothing else runs.
double copy_seconds(const io::State& state) {
  std::vector<Tensor> copies;
  for (const auto& tensor : state) copies.push_back(tensor.part.clone());
  const auto start = Clock::now();
  for (std::size_t i = 0; i < state.size(); ++i)
    copy_bytes(copies[i].raw_data(), Device::cpu(), state[i].part.raw_data(), Device::cpu(),
               state[i].part.bytes());
  return seconds_since(start);
}

int64_t bytes_of(const io::State& state) {
  int64_t bytes = 0;
  for (const auto& tensor : state) bytes += static_cast<int64_t>(tensor.part.bytes());
  return bytes;
}

void measure(const Arguments& a) {
  kernels::set_cpu_threads(a.threads);
  Training training(a);
  training.steps(2);
  const double copy = copy_seconds(training.state());
  std::vector<double> step, stalled, hidden, beyond, saved, cost;
  for (int i = 0; i < a.repeats; ++i) {
    const auto without = training.steps(a.steps);
    const auto with = training.steps_with_save(a.steps, i + 1);
    const double could_not_hide = std::max(0.0, copy - with.computed);
    step.push_back(without.seconds / a.steps);
    stalled.push_back(with.stalled);
    hidden.push_back(with.computed);
    beyond.push_back(with.stalled - could_not_hide);
    saved.push_back(with.saved);
    cost.push_back(with.seconds - without.seconds);
  }
  std::filesystem::remove_all(a.directory);
  std::cout << nlohmann::ordered_json{{"benchmark", "checkpoint_stall"},
                                      {"workload", a.workload},
                                      {"device", "cpu"},
                                      {"dtype", "f32"},
                                      {"batch", a.batch},
                                      {"threads", a.threads},
                                      {"bytes", bytes_of(training.state())},
                                      {"value", 1e3 * median(beyond)},
                                      {"unit", "ms stalled beyond what could not be hidden"},
                                      {"stalled_ms", 1e3 * median(stalled)},
                                      {"copy_ms", 1e3 * copy},
                                      {"forward_backward_ms", 1e3 * median(hidden)},
                                      {"step_ms", 1e3 * median(step)},
                                      {"save_ms", 1e3 * median(saved)},
                                      {"cost_of_a_save_ms", 1e3 * median(cost)},
                                      {"share_of_time_every_50_steps",
                                       median(cost) / (50 * median(step))},
                                      {"repeats", a.repeats}}
            << "\n";
}

std::vector<std::string> names() {
  std::vector<std::string> all;
  for (const auto& [name, options] : kWorkloads) all.push_back(name);
  return all;
}

}  // namespace

int main(int argc, char** argv) {
  Arguments a;
  CLI::App app("Measures the cost of background saves for training. Prints one line of JSON.");
  app.add_option("--workload", a.workload)->required()->check(CLI::IsMember(names()));
  app.add_option("--directory", a.directory,
                 "new directory on the disk to measure; removed at the end")
      ->required()
      ->check(CLI::NonexistentPath);
  app.add_option("--batch", a.batch, "sequences per step")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--threads", a.threads)->check(CLI::PositiveNumber)->capture_default_str();
  app.add_option("--steps", a.steps, "steps per block")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--repeats", a.repeats)->check(CLI::PositiveNumber)->capture_default_str();
  return benchmarks::run_benchmark(app, argc, argv, [&] { measure(a); });
}
