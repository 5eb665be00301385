// cross_entropy() with options, and negative_log_likelihood().
#include "ripieno/kernels/weighted_cross_entropy.h"

#include <fmt/format.h>

#include "ripieno/core/autograd.h"
#include "ripieno/core/losses/cross_entropy.h"
#include "ripieno/core/operands.h"
#include "ripieno/core/ops/reduce.h"
#include "ripieno/core/place.h"

namespace ripieno {
namespace {

using autograd::Saved;

// What both directions need; tensors are dense.
struct WeightedTargets {
  const char* name;
  Tensor targets;        // int32, or probabilities of the logits' type
  Tensor class_weights;  // of the sum's type, or undefined
  double smoothing = 0.0;
  int32_t ignored = kIgnoredTarget;
  bool is_normalized = false;

  bool are_probabilities() const { return is_floating_point(targets.dtype()); }

  template <typename T>
  kernels::WeightedCrossEntropy<T> of(const Tensor& logits, const Tensor& targets_) const {
    using A = kernels::accumulator_t<T>;
    const int64_t classes = logits.size(-1);
    return {.logits = logits.data<T>(),
            .targets = are_probabilities() ? nullptr : targets_.data<int32_t>(),
            .probabilities = are_probabilities() ? targets_.data<T>() : nullptr,
            .class_weights = class_weights.defined() ? class_weights.data<A>() : nullptr,
            .rows = logits.elements() / classes,
            .classes = classes,
            .ignored = ignored,
            .smoothing = smoothing,
            .is_normalized = is_normalized};
  }
};

DType type_of_sum(const Tensor& logits) {
  return logits.dtype() == DType::float64 ? DType::float64 : DType::float32;
}

void require_shapes(const char* name, const Tensor& logits, const Tensor& targets) {
  const int64_t classes = logits.rank() == 0 ? 0 : logits.size(-1);
  const bool are_probabilities = is_floating_point(targets.dtype());
  const bool match = are_probabilities ? targets.shape() == logits.shape()
                                       : targets.elements() * classes == logits.elements();
  if (classes > 0 && match) return;
  fail(fmt::format(
      "{}: logits is {}, targets is {} of {}; they must be (…, classes), and (…) of "
      "int32 or (…, classes) of the logits' type",
      name, to_string(logits.shape()), to_string(targets.shape()), name_of(targets.dtype())));
}

Tensor checked_weights(const char* name, const Tensor& weights, const Tensor& logits) {
  if (!weights.defined()) return {};
  require_one_device(name, {{"logits", logits}, {"class_weights", weights}});
  if (weights.shape() != Shape{logits.size(-1)} || !is_floating_point(weights.dtype())) {
    fail(
        fmt::format("{}: class_weights is {}, logits is {}; it must be ({}), of a floating-point "
                    "type",
                    name, describe(weights), to_string(logits.shape()), logits.size(-1)));
  }
  const NoGrad no_grad;
  return weights.to(type_of_sum(logits)).dense();
}

void add_gradients(const WeightedTargets& how, const Tensor& logits, const Tensor& targets,
                   const Tensor& statistics, const Tensor& gradient,
                   autograd::Gradients& gradients) {
  const bool wants_targets = how.are_probabilities() && gradients.wanted(1);
  const auto memory = [&](bool is_wanted) {
    return is_wanted ? Tensor(logits.shape(), logits.dtype(), logits.device()) : Tensor();
  };
  const Tensor of_logits = memory(gradients.wanted(0)), of_targets = memory(wants_targets);
  const Work work{
      "cross_entropy: gradient", {&of_logits, &of_targets, &logits, &targets}, logits.elements()};
  run(work, logits, [&]<typename T>(auto on) {
    using A = kernels::accumulator_t<T>;
    const auto numbers = [](const Tensor& x) { return x.defined() ? x.data<T>() : nullptr; };
    kernels::weighted_cross_entropy_backward(on, numbers(of_logits), numbers(of_targets),
                                             gradient.data<A>(), statistics.data<A>(),
                                             how.of<T>(logits, targets));
  });
  if (of_logits.defined()) gradients.add(0, of_logits);
  if (of_targets.defined()) gradients.add(1, of_targets);
}

Loss weighted(const Tensor& logits_, WeightedTargets how) {
  const Tensor logits = logits_.dense();
  const DType dtype = type_of_sum(logits);
  const int64_t rows = logits.elements() / logits.size(-1);
  const Tensor losses({rows}, dtype, logits.device()), counts({rows}, dtype, logits.device());
  const Tensor statistics({rows, 3}, dtype, logits.device());
  const Work work{how.name, {&logits, &how.targets}, 8 * logits.elements()};
  run(work, logits, [&]<typename T>(auto on) {
    using A = kernels::accumulator_t<T>;
    kernels::weighted_cross_entropy_forward(on, losses.data<A>(), counts.data<A>(),
                                            statistics.data<A>(), how.of<T>(logits, how.targets));
  });
  Loss loss;
  {
    const NoGrad no_grad;
    loss = {sum(losses), sum(counts)};
  }
  // Class targets have no gradient; the logits stand for them as an input.
  const Tensor targets = how.targets;
  how.targets = targets.detach();
  const Tensor none;
  loss.sum =
      autograd::record(how.name, loss.sum, {&logits, how.are_probabilities() ? &targets : &none},
                       [how, logits = Saved(logits), targets = Saved(targets), statistics](
                           const Tensor& gradient, autograd::Gradients& gradients) {
                         add_gradients(how, *logits, *targets, statistics, gradient, gradients);
                       });
  return loss;
}

}  // namespace

Loss cross_entropy(const Tensor& logits, const Tensor& targets,
                   const CrossEntropyOptions& options) {
  constexpr const char* kName = "cross_entropy";
  require_defined(kName, {{"logits", logits}, {"targets", targets}});
  require_one_device(kName, {{"logits", logits}, {"targets", targets}});
  require_shapes(kName, logits, targets);
  if (!(options.label_smoothing >= 0.0 && options.label_smoothing <= 1.0))
    fail(fmt::format("{}: label_smoothing is {}; it must be in [0, 1]", kName,
                     options.label_smoothing));
  const Tensor weights = checked_weights(kName, options.class_weights, logits);
  const bool are_probabilities = is_floating_point(targets.dtype());
  if (!are_probabilities && !weights.defined() && options.label_smoothing == 0.0)
    return cross_entropy(logits, targets, options.ignored);
  if (are_probabilities) {
    require_one_type(kName, {{"logits", logits}, {"targets", targets}});
  } else {
    require_targets(kName, targets.dense(), logits.size(-1), options.ignored);
  }
  return weighted(logits, {.name = kName,
                           .targets = targets.dense(),
                           .class_weights = weights,
                           .smoothing = options.label_smoothing,
                           .ignored = options.ignored});
}

Loss negative_log_likelihood(const Tensor& log_probabilities, const Tensor& targets,
                             const CrossEntropyOptions& options) {
  constexpr const char* kName = "negative_log_likelihood";
  require_defined(kName, {{"log_probabilities", log_probabilities}, {"targets", targets}});
  require_one_device(kName, {{"log_probabilities", log_probabilities}, {"targets", targets}});
  if (options.label_smoothing != 0.0)
    fail(fmt::format("{}: label_smoothing is {}; it must be 0, use cross_entropy() for smoothing",
                     kName, options.label_smoothing));
  if (targets.dtype() != DType::int32)
    fail(fmt::format("{}: targets must be int32, got {}", kName, name_of(targets.dtype())));
  require_shapes(kName, log_probabilities, targets);
  const Tensor dense = targets.dense();
  require_targets(kName, dense, log_probabilities.size(-1), options.ignored);
  return weighted(log_probabilities, {.name = kName,
                                      .targets = dense,
                                      .class_weights = checked_weights(kName, options.class_weights,
                                                                       log_probabilities),
                                      .ignored = options.ignored,
                                      .is_normalized = true});
}

}  // namespace ripieno
