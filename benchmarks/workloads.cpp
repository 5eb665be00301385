#include "workloads.h"

#include <map>
#include <random>

#include "ripieno/core/models/gpt.h"
#include "ripieno/core/models/mlp.h"
#include "ripieno/core/models/resnet.h"
#include "ripieno/core/optim/adamw.h"
#include "ripieno/core/optim/sgd.h"
#include "ripieno/core/random.h"

namespace ripieno::benchmarks {
namespace {

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

// mlp-64 has no peer: it measures the overhead of a step over its arithmetic.
const std::map<std::string, MlpWorkload> kMlps = {{"mlp", {{784, 512, 512, 10}, 128}},
                                                  {"mlp-64", {{64, 64, 64}, 8}}};

struct ResNetWorkload {
  nn::ResNetOptions options;
  int64_t side, batch;  // of an image; images
};

const std::map<std::string, ResNetWorkload> kResNets = {{"resnet20", {nn::resnet20(), 32, 64}},
                                                        {"resnet50", {nn::resnet50(), 224, 256}}};

Tensor random_classes(const Shape& shape, int64_t classes, Device device, unsigned seed) {
  std::mt19937 random(seed);
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

template <typename Model>
Workload training(std::shared_ptr<Model> model, std::shared_ptr<optim::Optimizer> optimizer,
                  const Tensor& inputs, const Tensor& targets) {
  Workload workload;
  workload.model = model;
  workload.optimizer = std::move(optimizer);
  workload.loss = [=] { return model->loss(inputs, targets); };
  workload.loss_of_rows = [=](int64_t begin, int64_t end) {
    return model->loss(inputs.slice(0, begin, end), targets.slice(0, begin, end));
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
  Workload workload =
      training(model, optimizer, random_classes(ids, shape.options.vocab, device, 1),
               random_classes(ids, shape.options.vocab, device, 2));
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
               random_classes({batch}, shape.sizes.back(), device, 2));
  workload.batch = batch;
  workload.unit = "samples/s";
  return workload;
}

Workload resnet(const ResNetWorkload& shape, int64_t batch, Device device, DType dtype) {
  auto model = std::make_shared<nn::ResNet>(shape.options);
  model->to(device, dtype);
  auto optimizer = std::make_shared<optim::Sgd>(
      model->parameters(), optim::SgdOptions{.learning_rate = 0.01, .momentum = 0.9});
  const Shape images{batch, shape.options.inputs, shape.side, shape.side};
  Workload workload = training(model, optimizer, random_inputs(images, device, dtype),
                               random_classes({batch}, shape.options.classes, device, 2));
  workload.batch = batch;
  workload.unit = "samples/s";
  return workload;
}

}  // namespace

std::vector<std::string> workload_names() {
  std::vector<std::string> all;
  for (const auto& [name, shape] : kGpts) all.push_back(name);
  for (const auto& [name, shape] : kMlps) all.push_back(name);
  for (const auto& [name, shape] : kResNets) all.push_back(name);
  return all;
}

Workload make_workload(const std::string& name, int64_t batch, Device device, DType dtype) {
  if (const auto found = kGpts.find(name); found != kGpts.end()) {
    return gpt(found->second, batch > 0 ? batch : found->second.batch, device, dtype);
  }
  if (const auto found = kResNets.find(name); found != kResNets.end()) {
    return resnet(found->second, batch > 0 ? batch : found->second.batch, device, dtype);
  }
  const MlpWorkload& shape = kMlps.at(name);
  return mlp(shape, batch > 0 ? batch : shape.batch, device, dtype);
}

}  // namespace ripieno::benchmarks
