#include <cmath>
#include <memory>

#include "parts/part.h"
#include "ripieno/core/autograd.h"
#include "ripieno/core/losses/cross_entropy.h"
#include "ripieno/core/models/lenet.h"
#include "ripieno/core/models/resnet.h"
#include "ripieno/core/optim/sgd.h"

namespace ripieno::testing {
namespace {

// made_up() of scripts/references/image_models.py.
std::vector<double> made_up(uint64_t number, int64_t count) {
  std::vector<double> values;
  for (uint64_t j = 0; j < static_cast<uint64_t>(count); ++j) {
    const uint64_t hashed = (j + 1) * (j + 7 * number + 3) * 2654435761u % (uint64_t{1} << 32);
    values.push_back(static_cast<double>(hashed) / 2147483648.0 - 1.0);
  }
  return values;
}

void set_made_up_parameters(nn::Module& model) {
  const NoGrad no_grad;
  uint64_t number = 0;
  for (const auto& [name, tensor] : model.parameters()) {
    Tensor parameter = tensor;
    const Shape& shape = parameter.shape();
    if (shape.rank() > 1) {
      std::vector<double> values = made_up(number, shape.elements());
      const auto fan_in = static_cast<double>(shape.elements() / shape[0]);
      for (double& value : values) value = static_cast<float>(value * std::sqrt(6.0 / fan_in));
      parameter.copy_from(Tensor::of(shape, values));
    } else {
      parameter.fill(name.ends_with("weight") ? 1.0 : 0.0);
    }
    ++number;
  }
}

Tensor labels(int64_t count, int64_t classes, Device device) {
  std::vector<int32_t> values;
  for (int64_t i = 0; i < count; ++i) values.push_back(static_cast<int32_t>((i * i + 3) % classes));
  return Tensor::of({count}, values).to(device);
}

// logits_and_gradients() of the script, for x[0], the images.
template <typename Model, typename Options>
std::function<Tensors(const Tensors&)> gradients_of(const Options& options) {
  return [options](const Tensors& x) {
    Model model(options);
    model.to(x[0].device(), x[0].dtype());
    set_made_up_parameters(model);
    const Tensor logits = model(x[0]);
    cross_entropy(logits, labels(x[0].size(0), options.classes, x[0].device())).sum.backward();
    const auto parameters = model.parameters();
    const auto gradient = [&](std::size_t i) { return parameters.tensors()[i].gradient(); };
    const std::size_t count = parameters.size();
    return Tensors{logits, gradient(0).clone(), gradient(count - 2).clone(),
                   gradient(count - 1).clone()};
  };
}

// The loss of each of x[1] steps of SGD.
Tensors losses_of_steps(const Tensors& x) {
  nn::ResNet model(nn::resnet20());
  model.to(x[0].device(), x[0].dtype());
  set_made_up_parameters(model);
  optim::Sgd optimizer(model.parameters(), {.learning_rate = 1.0 / 64, .momentum = 7.0 / 8});
  const Tensor targets = labels(x[0].size(0), 10, x[0].device());
  std::vector<double> losses;
  for (int step = 0; step < static_cast<int>(x[1].item()); ++step) {
    const Loss loss = model.loss(x[0], targets);
    loss.sum.backward();
    optimizer.step(loss.count);
    losses.push_back(loss.mean());
  }
  return {Tensor::of({static_cast<int64_t>(losses.size())}, losses)};
}

}  // namespace

PartList image_model_parts() {
  const nn::ResNetOptions basic{
      .inputs = 3, .classes = 10, .blocks = {1, 1}, .width = 4, .small_images = true};
  const nn::ResNetOptions bottleneck{
      .inputs = 3, .classes = 10, .blocks = {1, 2}, .width = 2, .bottleneck = true};
  const nn::LeNetOptions small{
      .height = 8, .width = 8, .classes = 4, .channels = {2, 3}, .hidden = {5}};
  const nn::LeNetOptions mnist{.channels = {2, 3}, .hidden = {6, 5}};
  const std::vector<DType> types = {DType::float64, DType::float32};
  return {
      "image_models",
      {
          {.name = "lenet",
           .kind = PartKind::model,
           .cases = {{.name = "small_images", .call = gradients_of<nn::LeNet>(small)},
                     {.name = "images_of_mnist", .call = gradients_of<nn::LeNet>(mnist)}},
           .types = types},
          {.name = "resnet",
           .kind = PartKind::model,
           .cases = {{.name = "basic", .call = gradients_of<nn::ResNet>(basic), .tolerance = 10},
                     {.name = "bottleneck",
                      .call = gradients_of<nn::ResNet>(bottleneck),
                      .tolerance = 10}},
           .types = types},
          {.name = "resnet20",
           .kind = PartKind::model,
           .cases = {{.name = "first_steps", .call = losses_of_steps, .tolerance = 100}},
           .types = types,
           .on_gpu = false},  // takes minutes in the emulator
      }};
}

}  // namespace ripieno::testing
