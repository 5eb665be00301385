#include "parts/part.h"
#include "ripieno/core/ops/channel_norm.h"
#include "ripieno/core/ops/convolution.h"
#include "ripieno/core/ops/pooling.h"
#include "ripieno/core/ops/upsample.h"

namespace ripieno::testing {
namespace {

using Call = std::function<Tensors(const Tensors&)>;

Tensor input_or_none(const Tensors& x, std::size_t i) { return i < x.size() ? x[i] : Tensor(); }

// Inputs: x, weight and, in some cases, bias.
Call conv1d_with(const ConvOptions& options = {}) {
  return [options](const Tensors& x) {
    return Tensors{conv1d(x[0], x[1], input_or_none(x, 2), options)};
  };
}
Call conv2d_with(const ConvOptions& options = {}) {
  return [options](const Tensors& x) {
    return Tensors{conv2d(x[0], x[1], input_or_none(x, 2), options)};
  };
}
Call max_pool_with(const PerAxis& window, const MaxPoolOptions& options = {}) {
  return [window, options](const Tensors& x) { return Tensors{max_pool(x[0], window, options)}; };
}
Call average_pool_with(const PerAxis& window, const AveragePoolOptions& options = {}) {
  return
      [window, options](const Tensors& x) { return Tensors{average_pool(x[0], window, options)}; };
}
Call adaptive_max_pool_to(const PerAxis& size) {
  return [size](const Tensors& x) { return Tensors{adaptive_max_pool(x[0], size)}; };
}
Call adaptive_average_pool_to(const PerAxis& size) {
  return [size](const Tensors& x) { return Tensors{adaptive_average_pool(x[0], size)}; };
}
Call upsample_to(const PerAxis& size, Upsampling mode) {
  return [size, mode](const Tensors& x) { return Tensors{upsample(x[0], size, mode)}; };
}
// Inputs: x and, in some cases, weight and bias.
Call batch_norm_with_epsilon(double epsilon) {
  return [epsilon](const Tensors& x) {
    const BatchNormalized result =
        batch_norm(x[0], input_or_none(x, 1), input_or_none(x, 2), epsilon);
    return Tensors{result.normalized, result.mean.to(x[0].dtype()),
                   result.variance.to(x[0].dtype())};
  };
}
Tensors evaluated_batch_norm(const Tensors& x) {
  return {batch_norm_with(x[0], x[3], x[4], x[1], x[2])};
}
Call group_norm_of(int64_t groups, double epsilon = 1e-5) {
  return [groups, epsilon](const Tensors& x) {
    return Tensors{group_norm(x[0], groups, input_or_none(x, 1), input_or_none(x, 2), epsilon)};
  };
}
Call instance_norm_with(double epsilon) {
  return [epsilon](const Tensors& x) {
    return Tensors{instance_norm(x[0], input_or_none(x, 1), input_or_none(x, 2), epsilon)};
  };
}

Part conv1d_part() {
  return {.name = "conv1d",
          .cases = {{"defaults", conv1d_with()},
                    {"every_option",
                     conv1d_with({.stride = 2, .padding = 3, .dilation = 2, .groups = 2})},
                    {"one_element", conv1d_with()}}};
}

Part conv2d_part() {
  return {.name = "conv2d",
          .cases = {{"defaults", [](const Tensors& x) { return Tensors{conv2d(x[0], x[1])}; }},
                    {"padding", conv2d_with({.padding = 1})},
                    {"stride", conv2d_with({.stride = 2, .padding = 1})},
                    {"stride_per_axis", conv2d_with({.stride = {3, 2}, .padding = {0, 1}})},
                    {"dilation", conv2d_with({.padding = 2, .dilation = {2, 3}})},
                    {"groups", conv2d_with({.padding = 1, .groups = 2})},
                    {"depthwise", conv2d_with({.stride = 2, .groups = 3})},
                    {"kernel_of_one", conv2d_with()},
                    {"stride_beyond_the_kernel", conv2d_with({.stride = 3})},
                    {"padding_beyond_the_kernel", conv2d_with({.padding = 3})},
                    {"large_planes", conv2d_with({.padding = 2})},
                    {"deep_channels", conv2d_with({.padding = 1})},
                    {"one_element", conv2d_with()},
                    {.name = "empty_batch", .call = conv2d_with(), .finite_differences = false},
                    {.name = "not_finite", .call = conv2d_with(), .finite_differences = false}}};
}

Part max_pool_part() {
  const MaxPoolOptions every_option{
      .stride = PerAxis(2, 1), .padding = {1, 0}, .dilation = {1, 2}, .round_up = true};
  return {
      .name = "max_pool",
      .cases = {{"window", max_pool_with(2)},
                {"every_option", max_pool_with({3, 2}, every_option)},
                {"overlapping", max_pool_with(3, {.stride = 2, .padding = 1})},
                {"sequence", max_pool_with(3, {.stride = 2, .padding = 1})},
                {.name = "ties_and_nan",
                 .call = max_pool_with(2, {.stride = 1}),
                 .finite_differences = false},
                {.name = "empty_batch", .call = max_pool_with(2), .finite_differences = false}}};
}

Part average_pool_part() {
  const AveragePoolOptions rounded{.stride = PerAxis(2, 3), .padding = 1, .round_up = true};
  AveragePoolOptions not_counted = rounded;
  not_counted.count_padding = false;
  return {.name = "average_pool",
          .cases = {{"window", average_pool_with(2)},
                    {"padding", average_pool_with(3, {.stride = 2, .padding = 1})},
                    {"padding_not_counted",
                     average_pool_with(3, {.stride = 2, .padding = 1, .count_padding = false})},
                    {"rounded_up", average_pool_with({3, 2}, rounded)},
                    {"rounded_up_not_counted", average_pool_with({3, 2}, not_counted)},
                    {"sequence", average_pool_with(4, {.stride = 3, .padding = 2})}}};
}

std::vector<Case> upsample_cases() {
  constexpr auto kNearest = Upsampling::kNearest, kBilinear = Upsampling::kBilinear,
                 kCorners = Upsampling::kBilinearCorners;
  return {{"nearest", upsample_to({7, 9}, kNearest)},
          {"nearest_smaller", upsample_to({3, 2}, kNearest)},
          {"nearest_sequence", upsample_to(8, kNearest)},
          {.name = "nearest_not_finite",
           .call = upsample_to({4, 6}, kNearest),
           .finite_differences = false},
          {"bilinear", upsample_to({7, 9}, kBilinear)},
          {"bilinear_smaller", upsample_to({4, 3}, kBilinear)},
          {"bilinear_of_one", upsample_to({4, 1}, kBilinear)},
          {"bilinear_corners", upsample_to({7, 9}, kCorners)},
          {"bilinear_corners_smaller", upsample_to({4, 3}, kCorners)},
          {"bilinear_corners_of_one", upsample_to({4, 1}, kCorners)},
          {"linear_sequence", upsample_to(8, kBilinear)}};
}

Part batch_norm_part() {
  // The mean and the variance are constants for the gradient.
  return {
      .name = "batch_norm",
      .cases = {
          {.name = "image", .call = batch_norm_with_epsilon(1e-5), .finite_differences = false},
          {.name = "features", .call = batch_norm_with_epsilon(1e-3), .finite_differences = false},
          {.name = "not_affine",
           .call = batch_norm_with_epsilon(1e-5),
           .finite_differences = false},
          {.name = "evaluation", .call = evaluated_batch_norm, .finite_differences = false},
          {"normalized_only",
           [](const Tensors& x) { return Tensors{batch_norm(x[0], x[1], x[2]).normalized}; }}}};
}

}  // namespace

PartList convolution_parts() {
  return {
      "convolution",
      {
          conv1d_part(),
          conv2d_part(),
          max_pool_part(),
          average_pool_part(),
          {.name = "adaptive_max_pool",
           .cases = {{"smaller", adaptive_max_pool_to({3, 5})},
                     {"larger", adaptive_max_pool_to({9, 8})},
                     {"sequence", adaptive_max_pool_to(3)}}},
          {.name = "adaptive_average_pool",
           .cases = {{"smaller", adaptive_average_pool_to({3, 5})},
                     {"larger", adaptive_average_pool_to({9, 4})},
                     {"sequence", adaptive_average_pool_to(4)}}},
          {.name = "global_max_pool",
           .cases = {{"image", [](const Tensors& x) { return Tensors{global_max_pool(x[0])}; }}}},
          {.name = "global_average_pool",
           .cases = {{"image", [](const Tensors& x) { return Tensors{global_average_pool(x[0])}; }},
                     {"one_element",
                      [](const Tensors& x) { return Tensors{global_average_pool(x[0])}; }}}},
          {.name = "upsample", .cases = upsample_cases()},
          batch_norm_part(),
          {.name = "group_norm",
           .cases = {{"image", group_norm_of(2)},
                     {"one_group", group_norm_of(1, 1e-3)},
                     {"not_affine", group_norm_of(3)}}},
          {.name = "instance_norm",
           .cases = {{"image", instance_norm_with(1e-5)}, {"affine", instance_norm_with(1e-3)}}},
      }};
}

}  // namespace ripieno::testing
