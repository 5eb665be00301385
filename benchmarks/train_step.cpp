// train_step: how fast one process takes whole training steps of a workload.
// benchmarks/peers/torch_peer.py runs the same ones, by the same names, with PyTorch.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>

#include "ripieno/core/nn/gpt.h"
#include "ripieno/core/nn/mlp.h"
#include "ripieno/core/optim/adamw.h"
#include "ripieno/core/optim/sgd.h"
#include "ripieno/core/random.h"
#include "ripieno/kernels/cpu_threads.h"

namespace {

using namespace ripieno;

struct Arguments {
  std::string workload, device = "cpu", dtype = "f32";
  int64_t batch = 0;  // 0: the workload's own
  int threads = 2, steps = 10, warmup = 3;
};

struct Workload {
  int64_t batch = 0;
  int64_t units_per_sample = 1;
  std::string unit;
  int64_t parameters = 0;
  std::function<double()> step;  // one whole training step; returns its loss
};

struct GptWorkload {
  nn::GptOptions options;
  int64_t batch;
};

const std::map<std::string, GptWorkload> kGpts = {
    {"gpt-char", {{.vocab = 65, .layers = 4, .heads = 4, .channels = 128, .context = 64}, 12}},
    {"gpt-10m", {{.vocab = 256, .layers = 6, .heads = 6, .channels = 384, .context = 256}, 8}},
    {"gpt2-124m", {{.layers = 12, .heads = 12, .channels = 768}, 64}},
    {"gpt2-350m", {{.layers = 24, .heads = 16, .channels = 1024}, 32}},
    {"gpt2-774m", {{.layers = 36, .heads = 20, .channels = 1280}, 16}},
    {"gpt2-1558m", {{.layers = 48, .heads = 25, .channels = 1600}, 8}}};

struct MlpWorkload {
  std::vector<int64_t> sizes;
  int64_t batch;
};

// mlp-64 has no peer: it measures what a step costs beside its arithmetic.
const std::map<std::string, MlpWorkload> kMlps = {{"mlp", {{784, 512, 512, 10}, 128}},
                                                  {"mlp-64", {{64, 64, 64}, 8}}};

Tensor random_classes(const Shape& shape, int64_t classes, Device device) {
  std::mt19937 random(1);
  std::uniform_int_distribution<int32_t> draw(0, static_cast<int32_t>(classes - 1));
  std::vector<int32_t> values(static_cast<std::size_t>(shape.elements()));
  for (int32_t& value : values) value = draw(random);
  return Tensor::of(shape, values).to(device);
}

Tensor random_inputs(const Shape& shape, Device device, DType dtype) {
  Tensor x(shape, DType::float32, device);
  fill_normal(x, 0.0, 1.0, {});
  return x.to(dtype);
}

template <typename Model, typename Optimizer>
Workload training(std::shared_ptr<Model> model, std::shared_ptr<Optimizer> optimizer,
                  const Tensor& inputs, const Tensor& targets) {
  Workload workload;
  workload.parameters = model->parameters().elements();
  workload.step = [=] {
    const Loss loss = model->loss(inputs, targets);
    loss.sum.backward();
    optimizer->step(loss.count);
    return loss.mean();
  };
  return workload;
}

Workload gpt(const GptWorkload& shape, int64_t batch, Device device, DType dtype) {
  auto model = std::make_shared<nn::Gpt>(shape.options);
  model->to(device, dtype);
  auto optimizer = std::make_shared<optim::AdamW>(
      model->parameters(),
      optim::AdamWOptions{.learning_rate = 3e-4, .beta2 = 0.95, .weight_decay = 0.1});
  const Shape ids{batch, shape.options.context};
  Workload workload = training(model, optimizer, random_classes(ids, shape.options.vocab, device),
                               random_classes(ids, shape.options.vocab, device));
  workload.batch = batch;
  workload.units_per_sample = shape.options.context;
  workload.unit = "tokens/s";
  return workload;
}

Workload mlp(const MlpWorkload& shape, int64_t batch, Device device, DType dtype) {
  auto model = std::make_shared<nn::Mlp>(shape.sizes);
  model->to(device, dtype);
  auto optimizer = std::make_shared<optim::Sgd>(
      model->parameters(), optim::SgdOptions{.learning_rate = 0.01, .momentum = 0.9});
  Workload workload =
      training(model, optimizer, random_inputs({batch, shape.sizes.front()}, device, dtype),
               random_classes({batch}, shape.sizes.back(), device));
  workload.batch = batch;
  workload.unit = "samples/s";
  return workload;
}

Workload make(const Arguments& a) {
  const Device device = a.device == "cuda" ? Device::cuda() : Device::cpu();
  const DType dtype = a.dtype == "bf16" ? DType::bfloat16 : DType::float32;
  if (const auto found = kGpts.find(a.workload); found != kGpts.end()) {
    return gpt(found->second, a.batch > 0 ? a.batch : found->second.batch, device, dtype);
  }
  const MlpWorkload& shape = kMlps.at(a.workload);
  return mlp(shape, a.batch > 0 ? a.batch : shape.batch, device, dtype);
}

void measure(const Arguments& a) {
  using Clock = std::chrono::steady_clock;
  kernels::set_cpu_threads(a.threads);
  const Workload workload = make(a);
  for (int i = 0; i < a.warmup; ++i) workload.step();
  std::vector<double> seconds;
  double loss = 0.0;
  for (int i = 0; i < a.steps; ++i) {
    const auto start = Clock::now();
    loss = workload.step();
    seconds.push_back(std::chrono::duration<double>(Clock::now() - start).count());
  }
  std::sort(seconds.begin(), seconds.end());
  const std::size_t half = seconds.size() / 2;
  const double median =
      seconds.size() % 2 == 1 ? seconds[half] : (seconds[half - 1] + seconds[half]) / 2;
  const auto units = static_cast<double>(workload.batch * workload.units_per_sample);
  std::cout << nlohmann::ordered_json{{"benchmark", "train_step"},
                                      {"workload", a.workload},
                                      {"device", a.device},
                                      {"dtype", a.dtype},
                                      {"batch", workload.batch},
                                      {"threads", a.threads},
                                      {"value", units / median},
                                      {"unit", workload.unit},
                                      {"step_ms",
                                       {{"min", 1e3 * seconds.front()},
                                        {"median", 1e3 * median},
                                        {"max", 1e3 * seconds.back()}}},
                                      {"parameters", workload.parameters},
                                      {"last_loss", loss}}
            << "\n";
}

std::vector<std::string> names() {
  std::vector<std::string> all;
  for (const auto& [name, shape] : kGpts) all.push_back(name);
  for (const auto& [name, shape] : kMlps) all.push_back(name);
  return all;
}

}  // namespace

int main(int argc, char** argv) {
  Arguments a;
  CLI::App app("Times whole training steps; prints one line of JSON.");
  app.add_option("--workload", a.workload)->required()->check(CLI::IsMember(names()));
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
