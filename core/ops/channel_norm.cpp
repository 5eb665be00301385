#include "ripieno/core/ops/channel_norm.h"

#include <fmt/format.h>

#include <utility>

#include "ripieno/core/autograd.h"
#include "ripieno/core/operands.h"
#include "ripieno/core/ops/arithmetic.h"
#include "ripieno/core/ops/reduce.h"
#include "ripieno/core/place.h"
#include "ripieno/kernels/channel_norm.h"

namespace ripieno {
namespace {

using autograd::Gradients;
using autograd::Saved;
using kernels::ChannelNormShape;
using Ranks = std::shared_ptr<StatisticsSum>;

ChannelNormShape shape_of(const char* operation, const Tensor& x, const Tensor& weight,
                          const Tensor& bias) {
  require_defined(operation, {{"x", x}});
  if (x.rank() < 2) {
    fail(fmt::format("{}: x is {}; it must be (batch, channels, …)", operation,
                     to_string(x.shape())));
  }
  require_one_type(operation, {{"x", x}, {"weight", weight}, {"bias", bias}});
  const Shape channels = {x.size(1)};
  for (const auto& [name, tensor] :
       std::initializer_list<Operand>{{"weight", weight}, {"bias", bias}}) {
    if (!tensor.defined() || tensor.shape() == channels) continue;
    fail(fmt::format("{}: x is {}, {} is {}; it must be {}", operation, to_string(x.shape()), name,
                     to_string(tensor.shape()), to_string(channels)));
  }
  ChannelNormShape shape{.batch = x.size(0), .channels = x.size(1), .size = 1};
  for (int axis = 2; axis < x.rank(); ++axis) shape.size *= x.shape()[axis];
  return shape;
}

// A norm between its forward and its backward.
struct Norm {
  Saved x, weight;
  Tensor mean = {}, inverse_deviation = {};  // (statistics), float64
  ChannelNormShape shape;
  double per_statistic = 0.0;  // elements of this rank; 0: the statistics are constants
  Ranks ranks = nullptr;
  Tensor count = {};  // with ranks: elements of all of them, (1), float64

  template <typename T>
  kernels::ChannelNormArguments<T> arguments(const Tensor& bias = {}) const {
    return {.in = x->data<T>(),
            .mean = mean.data<double>(),
            .inverse_deviation = inverse_deviation.data<double>(),
            .weight = weight.defined() ? weight->data<T>() : nullptr,
            .bias = bias.defined() ? bias.data<T>() : nullptr,
            .shape = shape};
  }
  // A sum over the elements of each statistic as their mean.
  Tensor mean_of(const Tensor& sums) const { return ranks ? sums / count : sums / per_statistic; }
};

Tensor planes_of(const Norm& norm) {
  return Tensor({norm.shape.batch, norm.shape.channels}, DType::float64, norm.x->device());
}

// Sums over planes, (batch, channels), as this rank's sums over statistics.
Tensor per_statistic(const Norm& norm, const Tensor& planes) {
  const int64_t groups = norm.shape.groups;
  if (groups == 0) return sum(planes, 0);
  return sum(planes.reshape({norm.shape.batch * groups, norm.shape.channels / groups}), 1);
}

// Replaces two vectors by their sums over the ranks, in one collective.
void sum_over_ranks(StatisticsSum& ranks, Tensor& a, Tensor& b) {
  const int64_t middle = a.elements(), end = middle + b.elements();
  const Tensor both({end}, DType::float64, a.device());
  both.slice(0, 0, middle).copy_from(a);
  both.slice(0, middle, end).copy_from(b);
  ranks.sum(both);
  a = both.slice(0, 0, middle);
  b = both.slice(0, middle, end);
}

// Sets the statistics; returns the sums of the squares of the differences from the mean.
Tensor compute_statistics(Norm& norm, double epsilon) {
  const Tensor& x = *norm.x;
  const Tensor planes = planes_of(norm), squares = planes_of(norm);
  run({"norm: mean", {&planes, &x}, x.elements()}, x, [&]<typename T>(auto on) {
    kernels::plane_sums(on, planes.data<double>(), x.data<T>(), norm.shape);
  });
  Tensor sums = per_statistic(norm, planes);
  if (norm.ranks) {
    norm.count = Tensor::full({1}, norm.per_statistic, DType::float64, x.device());
    sum_over_ranks(*norm.ranks, sums, norm.count);
  }
  norm.mean = norm.mean_of(sums);
  run({"norm: variance", {&squares, &x}, 3 * x.elements()}, x, [&]<typename T>(auto on) {
    kernels::plane_squares(on, squares.data<double>(), x.data<T>(), norm.mean.data<double>(),
                           norm.shape);
  });
  const Tensor total = per_statistic(norm, squares);
  if (norm.ranks) norm.ranks->sum(total);
  norm.inverse_deviation = reciprocal(sqrt(norm.mean_of(total) + epsilon));
  return total;
}

Tensor forward(const Norm& norm, const Tensor& bias) {
  const Tensor& x = *norm.x;
  const Tensor result(x.shape(), x.dtype(), x.device());
  run({"norm", {&result, &x}, 4 * x.elements()}, x, [&]<typename T>(auto on) {
    kernels::channel_norm_forward(on, result.data<T>(), norm.arguments<T>(bias));
  });
  return result;
}

void compute_input_gradient(const Norm& norm, const Tensor& gradient, const Tensor& of_gradient,
                            const Tensor& of_product, Gradients& gradients) {
  Tensor mean_gradient, mean_product;
  if (norm.per_statistic > 0.0 || norm.ranks) {  // a rank without rows joins the collectives
    const auto weighted = [&](const Tensor& planes) {
      return norm.weight.defined() ? planes * norm.weight->to(DType::float64) : planes;
    };
    Tensor sums = per_statistic(norm, weighted(of_gradient));
    Tensor products = per_statistic(norm, weighted(of_product));
    if (norm.ranks) sum_over_ranks(*norm.ranks, sums, products);
    mean_gradient = norm.mean_of(sums);
    mean_product = norm.mean_of(products);
  }
  const auto [target, accumulate] = gradients.destination(0);
  const Tensor& x = *norm.x;
  const Work work{"norm: input gradient", {&target, &gradient, &x}, 8 * x.elements()};
  run(work, x, [&, &target = target, accumulate = accumulate]<typename T>(auto on) {
    kernels::channel_norm_backward(on, target.data<T>(), gradient.data<T>(),
                                   mean_gradient.defined() ? mean_gradient.data<double>() : nullptr,
                                   mean_product.defined() ? mean_product.data<double>() : nullptr,
                                   norm.arguments<T>(), accumulate);
  });
}

void backward(const Norm& norm, const Tensor& gradient, Gradients& gradients) {
  const NoGrad no_grad;
  const Tensor& x = *norm.x;
  const Tensor of_gradient = planes_of(norm), of_product = planes_of(norm);
  const Work work{"norm: gradient sums", {&gradient, &x}, 5 * x.elements()};
  run(work, x, [&]<typename T>(auto on) {
    kernels::channel_norm_gradient_sums(on, of_gradient.data<double>(), of_product.data<double>(),
                                        gradient.data<T>(), norm.arguments<T>());
  });
  // The gradients of weight and bias are those of this rank, as of other parameters.
  if (gradients.wanted(1)) gradients.add(1, sum(of_product, 0).to(x.dtype()));
  if (gradients.wanted(2)) gradients.add(2, sum(of_gradient, 0).to(x.dtype()));
  if (gradients.wanted(0))
    compute_input_gradient(norm, gradient, of_gradient, of_product, gradients);
}

Tensor recorded(const char* operation, const Norm& norm, const Tensor& x, const Tensor& weight,
                const Tensor& bias) {
  return autograd::record(operation, forward(norm, bias), {&x, &weight, &bias},
                          [norm](const Tensor& gradient, Gradients& gradients) {
                            backward(norm, gradient, gradients);
                          });
}

Tensor dense(const Tensor& x) { return x.defined() ? x.dense() : x; }

Tensor group_norm_of(const char* operation, const Tensor& x_, const Tensor& weight_,
                     const Tensor& bias_, const ChannelNormShape& shape, double epsilon) {
  const Tensor x = x_.dense(), weight = dense(weight_), bias = dense(bias_);
  Norm norm{.x = Saved(x), .weight = Saved(weight), .shape = shape};
  norm.per_statistic = static_cast<double>(shape.channels / shape.groups * shape.size);
  {
    const NoGrad no_grad;
    compute_statistics(norm, epsilon);
  }
  return recorded(operation, norm, x, weight, bias);
}

}  // namespace

BatchNormalized batch_norm(const Tensor& x_, const Tensor& weight_, const Tensor& bias_,
                           double epsilon, std::shared_ptr<StatisticsSum> ranks) {
  const ChannelNormShape shape = shape_of("batch_norm", x_, weight_, bias_);
  if (!ranks && shape.batch * shape.size < 2) {
    fail(
        fmt::format("batch_norm: x is {}; in training a channel must have at least 2 elements, "
                    "since the variance of fewer is not defined; use a larger batch",
                    to_string(x_.shape())));
  }
  const Tensor x = x_.dense(), weight = dense(weight_), bias = dense(bias_);
  Norm norm{.x = Saved(x), .weight = Saved(weight), .shape = shape, .ranks = std::move(ranks)};
  norm.per_statistic = static_cast<double>(shape.batch * shape.size);
  Tensor variance;
  {
    const NoGrad no_grad;
    const Tensor squares = compute_statistics(norm, epsilon);
    variance = norm.ranks ? squares / (norm.count - 1.0) : squares / (norm.per_statistic - 1.0);
  }
  return {recorded("batch_norm", norm, x, weight, bias), norm.mean, variance};
}

Tensor batch_norm_with(const Tensor& x_, const Tensor& mean, const Tensor& variance,
                       const Tensor& weight_, const Tensor& bias_, double epsilon) {
  const ChannelNormShape shape = shape_of("batch_norm", x_, weight_, bias_);
  require_defined("batch_norm", {{"mean", mean}, {"variance", variance}});
  require_one_device("batch_norm", {{"x", x_}, {"mean", mean}, {"variance", variance}});
  const Shape wanted = {shape.channels};
  if (mean.shape() != wanted || variance.shape() != wanted) {
    fail(
        fmt::format("batch_norm: x is {}, mean is {}, variance is {}; mean and variance must be "
                    "{}",
                    to_string(x_.shape()), to_string(mean.shape()), to_string(variance.shape()),
                    to_string(wanted)));
  }
  const Tensor x = x_.dense(), weight = dense(weight_), bias = dense(bias_);
  Norm norm{.x = Saved(x), .weight = Saved(weight), .shape = shape};
  {
    const NoGrad no_grad;
    norm.mean = mean.detach().to(DType::float64).clone();
    norm.inverse_deviation = reciprocal(sqrt(variance.detach().to(DType::float64) + epsilon));
  }
  return recorded("batch_norm", norm, x, weight, bias);
}

Tensor group_norm(const Tensor& x, int64_t groups, const Tensor& weight, const Tensor& bias,
                  double epsilon) {
  ChannelNormShape shape = shape_of("group_norm", x, weight, bias);
  if (groups < 1 || shape.channels == 0 || shape.channels % groups != 0) {
    fail(
        fmt::format("group_norm: x is {}, groups is {}; the channels (axis 1) must be a multiple "
                    "of groups",
                    to_string(x.shape()), groups));
  }
  shape.groups = groups;
  return group_norm_of("group_norm", x, weight, bias, shape, epsilon);
}

Tensor instance_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double epsilon) {
  ChannelNormShape shape = shape_of("instance_norm", x, weight, bias);
  if (shape.channels == 0 || shape.size < 2) {
    fail(
        fmt::format("instance_norm: x is {}; it must have channels of at least 2 elements, since "
                    "the variance of fewer is not defined",
                    to_string(x.shape())));
  }
  shape.groups = shape.channels;
  return group_norm_of("instance_norm", x, weight, bias, shape, epsilon);
}

}  // namespace ripieno
