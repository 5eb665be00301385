#include "ripieno/distributed/strategies/diloco.h"

#include <fmt/format.h>

#include <utility>

#include "ripieno/core/autograd.h"
#include "ripieno/core/device/copy.h"
#include "ripieno/core/error.h"
#include "ripieno/core/ops/arithmetic.h"
#include "ripieno/core/place.h"
#include "ripieno/kernels/elementwise.h"
#include "ripieno/kernels/optimizer.h"

namespace ripieno::distributed {
namespace {

using kernels::ParameterSegment;
using kernels::StepScalars;

constexpr const char* kMomentum = "outer_momentum";

void check(const DilocoOptions& options) {
  const auto require = [](bool holds, const char* name, double value, const char* wanted) {
    if (holds) return;
    throw ConfigurationError(fmt::format("diloco: {} is {}; it must be {}", name, value, wanted));
  };
  require(options.steps >= 1, "steps", static_cast<double>(options.steps), "1 or more");
  require(options.outer_learning_rate > 0.0, "outer_learning_rate", options.outer_learning_rate,
          "more than 0");
  require(options.outer_momentum >= 0.0 && options.outer_momentum < 1.0, "outer_momentum",
          options.outer_momentum, "in [0, 1)");
}

template <typename T>
Tensor bytes_on(Device device, const T& value) {
  Tensor result({sizeof value}, DType::uint8, device);
  copy_bytes(result.raw_data(), device, &value, Device::cpu(), sizeof value);
  return result;
}

// out = a - b, in float, rounded to out's type.
void subtract_into(Tensor out, const Tensor& a, const Tensor& b) {
  if (out.dtype() != DType::float32) return out.copy_from(a - b);
  run(out, [&]<typename T>(auto on) {
    kernels::binary(on, out.data<T>(), a.data<T>(), b.data<T>(), out.elements(),
                    kernels::Binary::kSubtract);
  });
}

void scale(const Tensor& x, double factor) {
  run(x, [&]<typename T>(auto on) {
    kernels::affine(on, x.data<T>(), x.data<T>(), x.elements(), factor, 0.0);
  });
}

}  // namespace

Diloco::Diloco(optim::Optimizer& optimizer, Communicator& communicator, std::vector<Bucket> buckets,
               std::unique_ptr<GradientSum> sum, const DilocoOptions& options)
    : optimizer_(optimizer),
      communicator_(communicator),
      buckets_(std::move(buckets)),
      sum_(std::move(sum)),
      options_((check(options), options)),
      momentum_(optimizer.keep(kMomentum)),
      anchor_(optimizer.parameters().shared_layout(), DType::float32,
              optimizer.parameters().values().device()) {
  const Parameters& parameters = optimizer.parameters();
  const StepScalars scalars{.learning_rate = static_cast<float>(options.outer_learning_rate),
                            .gradient_scale = 1.0f / static_cast<float>(communicator.size())};
  scalars_ = bytes_on(anchor_.device(), scalars);
  segment_ = bytes_on(anchor_.device(), ParameterSegment{0, parameters.layout().elements(), 0.0f});
}

void Diloco::before_step() {
  const NoGrad no_grad;
  if (steps_ == 0) anchor_.flat().copy_from(truth());
  is_alike_ = false;
}

bool Diloco::after_step() {
  if (++steps_ < options_.steps) return false;
  outer_step();
  return true;
}

void Diloco::synchronize() {
  const NoGrad no_grad;
  if (steps_ > 0) outer_step();
  if (std::exchange(is_alike_, true)) return;
  for (const auto& slot : optimizer_.state()) {
    if (slot.name == kMomentum || slot.name == "master") continue;  // alike
    const Tensor state = slot.arena->flat();
    communicator_.all_reduce(state);
    scale(state, 1.0 / communicator_.size());
  }
}

// The arena of the gradients, which the optimizer has used up, holds how far this rank has come.
void Diloco::outer_step() {
  const NoGrad no_grad;
  const Parameters& parameters = optimizer_.parameters();
  const Tensor gradient = parameters.gradients().flat(), anchor = anchor_.flat();
  Tensor values = parameters.values().flat(), truth = this->truth();
  subtract_into(gradient, anchor, truth);
  sum_over_ranks(gradient);
  truth.copy_from(anchor);
  const bool narrow = values.dtype() != DType::float32;
  const auto momentum = static_cast<float>(options_.outer_momentum);
  run(values, [&]<typename T>(auto on) {
    kernels::sgd(on, values.data<T>(), narrow ? truth.data<float>() : nullptr,
                 momentum_.flat().data<float>(), gradient.data<T>(), gradient.elements(),
                 static_cast<const ParameterSegment*>(segment_.raw_data()), 1,
                 static_cast<const StepScalars*>(scalars_.raw_data()),
                 {.momentum = momentum, .nesterov = true});
  });
  steps_ = 0;
}

void Diloco::sum_over_ranks(const Tensor& gradient) {
  if (communicator_.size() == 1) return;
  for (const Bucket& bucket : buckets_) {
    sum_->sum(bucket, gradient.slice(0, bucket.begin, bucket.end));
  }
}

// The parameters in float32.
Tensor Diloco::truth() const {
  Arena& values = optimizer_.parameters().values();
  if (values.dtype() == DType::float32) return values.flat();
  for (const auto& slot : optimizer_.state()) {
    if (slot.name == "master") return slot.arena->flat();
  }
  fail("diloco: the optimizer keeps no parameters in float32");
}

}  // namespace ripieno::distributed
