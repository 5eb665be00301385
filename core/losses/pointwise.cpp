#include "ripieno/core/losses/pointwise.h"

#include <fmt/format.h>

#include <cmath>

#include "ripieno/core/autograd.h"
#include "ripieno/core/losses/pointwise_sum.h"
#include "ripieno/core/operands.h"
#include "ripieno/core/ops/arithmetic.h"
#include "ripieno/core/ops/reduce.h"
#include "ripieno/core/place.h"
#include "ripieno/kernels/reduce.h"

namespace ripieno {
namespace {

using autograd::Saved;
using kernels::PointwiseLoss;

void require_pair(const char* name, const Tensor& prediction, const Tensor& target) {
  const Operands operands = {{"prediction", prediction}, {"target", target}};
  require_defined(name, operands);
  require_one_device(name, operands);
  if (prediction.shape() != target.shape()) {
    fail(fmt::format("{}: prediction is {}, target is {}; the shapes must match", name,
                     to_string(prediction.shape()), to_string(target.shape())));
  }
  for (const auto& [argument, tensor] : operands) {
    if (is_floating_point(tensor.dtype())) continue;
    fail(fmt::format("{}: {} is {}; it must be of a floating-point type", name, argument,
                     name_of(tensor.dtype())));
  }
}

DType sum_type(const Tensor& prediction) {
  return prediction.dtype() == DType::float64 ? DType::float64 : DType::float32;
}

// Expanded to `shape`, dense, in the type of the sum.
Tensor expanded_weights(const char* name, const Tensor& weights, const Tensor& prediction) {
  if (!weights.defined()) return {};
  require_one_device(name, {{"prediction", prediction}, {"weights", weights}});
  if (broadcast(weights.shape(), prediction.shape()) != prediction.shape()) {
    fail(fmt::format("{}: weights is {}, prediction is {}; weights must broadcast to prediction",
                     name, to_string(weights.shape()), to_string(prediction.shape())));
  }
  const NoGrad no_grad;
  return weights.to(sum_type(prediction)).expand(prediction.shape()).dense();
}

Tensor flat_positive_weights(const char* name, const Tensor& weights, const Tensor& prediction) {
  if (!weights.defined()) return {};
  require_one_device(name, {{"logits", prediction}, {"positive_weights", weights}});
  const int64_t classes = prediction.rank() == 0 ? 1 : prediction.size(-1);
  if (weights.elements() != 1 && weights.shape() != Shape{classes}) {
    fail(fmt::format(
        "{}: positive_weights is {}, logits is {}; it must have one element, or be ({})", name,
        to_string(weights.shape()), to_string(prediction.shape()), classes));
  }
  const NoGrad no_grad;
  return weights.to(sum_type(prediction)).dense();
}

// The terms of dense tensors of type T.
template <typename T>
kernels::PointwiseTerms<T> terms_of(const PointwiseSum& how, const Tensor& prediction,
                                    const Tensor& target) {
  using A = kernels::accumulator_t<T>;
  const auto numbers = [](const Tensor& x) { return x.defined() ? x.data<A>() : nullptr; };
  return {.loss = how.loss,
          .predictions = prediction.data<T>(),
          .targets = target.data<T>(),
          .size = prediction.elements(),
          .weights = numbers(how.weights),
          .positive_weights = numbers(how.positive_weights),
          .classes = how.positive_weights.defined() ? how.positive_weights.elements() : 1,
          .width = how.width};
}

Tensor sum_of_terms(const PointwiseSum& how, const Tensor& prediction, const Tensor& target) {
  const int64_t chunks = (prediction.elements() + kernels::kSumChunk - 1) / kernels::kSumChunk;
  const Tensor partials({chunks}, DType::float64, prediction.device());
  const Work work{how.name, {&prediction, &target, &how.weights}, 4 * prediction.elements()};
  run(work, prediction, [&]<typename T>(auto on) {
    kernels::pointwise_loss_partials(on, partials.data<double>(),
                                     terms_of<T>(how, prediction, target));
  });
  const NoGrad no_grad;
  return sum(partials).to(sum_type(prediction));
}

Tensor count_of(const PointwiseSum& how, const Tensor& prediction) {
  const DType dtype = sum_type(prediction);
  if (!how.weights.defined())
    return Tensor::full({}, static_cast<double>(prediction.elements()), dtype, prediction.device());
  const NoGrad no_grad;
  return sum(how.weights);
}

void add_gradients(const PointwiseSum& how, const Tensor& prediction, const Tensor& target,
                   const Tensor& gradient, autograd::Gradients& gradients) {
  const auto memory = [&](int input) {
    return gradients.wanted(input)
               ? Tensor(prediction.shape(), prediction.dtype(), prediction.device())
               : Tensor();
  };
  const Tensor of_prediction = memory(0), of_target = memory(1);
  const Work work{how.name,
                  {&of_prediction, &of_target, &prediction, &target, &how.weights},
                  4 * prediction.elements()};
  run(work, prediction, [&]<typename T>(auto on) {
    const auto numbers = [](const Tensor& x) { return x.defined() ? x.data<T>() : nullptr; };
    kernels::pointwise_loss_backward(on, numbers(of_prediction), numbers(of_target),
                                     gradient.data<kernels::accumulator_t<T>>(),
                                     terms_of<T>(how, prediction, target));
  });
  if (of_prediction.defined()) gradients.add(0, of_prediction);
  if (of_target.defined()) gradients.add(1, of_target);
}

}  // namespace

Loss pointwise_sum(const Tensor& prediction_, const Tensor& target_, const PointwiseSum& how_) {
  require_pair(how_.name, prediction_, target_);
  PointwiseSum how = how_;
  how.weights = expanded_weights(how.name, how_.weights, prediction_);
  how.positive_weights = flat_positive_weights(how.name, how_.positive_weights, prediction_);
  const bool match = prediction_.dtype() == target_.dtype();
  const DType dtype = match ? prediction_.dtype() : sum_type(prediction_);
  const Tensor prediction = prediction_.to(dtype).dense(), target = target_.to(dtype).dense();
  Loss loss{sum_of_terms(how, prediction, target), count_of(how, prediction)};
  loss.sum = autograd::record(how.name, loss.sum, {&prediction, &target},
                              [how, prediction = Saved(prediction), target = Saved(target)](
                                  const Tensor& gradient, autograd::Gradients& gradients) {
                                add_gradients(how, *prediction, *target, gradient, gradients);
                              });
  return loss;
}

Loss l1_loss(const Tensor& prediction, const Tensor& target, const PointwiseOptions& options) {
  return pointwise_sum(
      prediction, target,
      {.name = "l1_loss", .loss = PointwiseLoss::kAbsolute, .weights = options.weights});
}

Loss huber_loss(const Tensor& prediction, const Tensor& target, double width,
                const PointwiseOptions& options) {
  if (!(width > 0.0 && std::isfinite(width)))
    fail(fmt::format("huber_loss: width is {}; it must be above 0 and finite", width));
  return pointwise_sum(prediction, target,
                       {.name = "huber_loss",
                        .loss = PointwiseLoss::kHuber,
                        .width = width,
                        .weights = options.weights});
}

Loss smooth_l1_loss(const Tensor& prediction, const Tensor& target, double width,
                    const PointwiseOptions& options) {
  if (!(width >= 0.0 && std::isfinite(width)))
    fail(fmt::format("smooth_l1_loss: width is {}; it must be at least 0 and finite", width));
  return pointwise_sum(prediction, target,
                       {.name = "smooth_l1_loss",
                        .loss = width > 0.0 ? PointwiseLoss::kSmoothL1 : PointwiseLoss::kAbsolute,
                        .width = width,
                        .weights = options.weights});
}

Loss binary_cross_entropy_with_logits(const Tensor& logits, const Tensor& targets,
                                      const BinaryCrossEntropyOptions& options) {
  return pointwise_sum(logits, targets,
                       {.name = "binary_cross_entropy_with_logits",
                        .loss = PointwiseLoss::kBinaryCrossEntropy,
                        .weights = options.weights,
                        .positive_weights = options.positive_weights});
}

Loss kl_divergence(const Tensor& prediction, const Tensor& target, bool target_is_log) {
  require_pair("kl_divergence", prediction, target);
  if (prediction.rank() == 0)
    fail("kl_divergence: prediction is a scalar; it must be (…, classes)");
  Loss loss = pointwise_sum(
      prediction, target,
      {.name = "kl_divergence",
       .loss = target_is_log ? PointwiseLoss::kDivergenceOfLogs : PointwiseLoss::kDivergence});
  const int64_t classes = prediction.size(-1);
  const int64_t rows = classes == 0 ? 0 : prediction.elements() / classes;
  loss.count =
      Tensor::full({}, static_cast<double>(rows), sum_type(prediction), prediction.device());
  return loss;
}

}  // namespace ripieno
