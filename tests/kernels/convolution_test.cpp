#include "ripieno/kernels/convolution.h"

#include "kernels/values.h"
#include "ripieno/kernels/cpu_threads.h"

namespace ripieno::kernels {
namespace {

ConvolutionAxis axis(int64_t in, int64_t kernel, int64_t stride, int64_t padding,
                     int64_t dilation = 1) {
  const int64_t out = (in + 2 * padding - (kernel - 1) * dilation - 1) / stride + 1;
  return {in, out, kernel, stride, padding, dilation};
}

const ConvolutionShape kShapes[] = {
    {.batch = 19,
     .inputs = 4,
     .outputs = 6,
     .groups = 2,
     .y = axis(17, 3, 2, 1),
     .x = axis(19, 3, 1, 2, 2)},
    {.batch = 2, .inputs = 33, .outputs = 31, .y = axis(9, 3, 1, 1), .x = axis(33, 3, 1, 1)},
    {.batch = 3, .inputs = 3, .outputs = 16, .y = axis(32, 5, 2, 2), .x = axis(31, 5, 2, 2)},
};

template <typename T>
struct Results {
  std::vector<T> out, grad_in, grad_weight;
};

// The same numbers in every type that represents them.
template <typename T>
std::vector<T> numbers(int64_t size, uint32_t seed) {
  std::vector<T> out;
  for (const float value : random_values<float>(size, seed))
    out.push_back(T(static_cast<accumulator_t<T>>(value)));
  return out;
}

// Everything, computed by `threads` threads.
template <typename T>
Results<T> computed_by(int threads, const ConvolutionShape& shape) {
  const auto in = numbers<T>(shape.batch * shape.inputs * shape.in_size(), 1);
  const auto weight = numbers<T>(shape.weights(), 2);
  const auto bias = numbers<T>(shape.outputs, 3);
  const int64_t outputs = shape.batch * shape.outputs * shape.out_size();
  const auto grad_out = numbers<T>(outputs, 4);
  Results<T> results{std::vector<T>(static_cast<size_t>(outputs)), std::vector<T>(in.size()),
                     std::vector<T>(weight.size())};
  std::vector<accumulator_t<T>> workspace(
      static_cast<size_t>(convolution_workspace(OnCpu{}, shape)));
  set_cpu_threads(threads);
  convolution_forward(OnCpu{}, results.out.data(), in.data(), weight.data(), bias.data(), shape);
  convolution_input_gradient(OnCpu{}, results.grad_in.data(), grad_out.data(), weight.data(), shape,
                             false);
  convolution_weight_gradient(OnCpu{}, results.grad_weight.data(), workspace.data(),
                              grad_out.data(), in.data(), shape, false);
  set_cpu_threads(1);
  return results;
}

// Large ones in float may run on a library, those in double do not.
TEST(LargeConvolution, InFloatAgreesWithDouble) {
  const ConvolutionShape shapes[] = {
      kShapes[0],
      kShapes[1],
      kShapes[2],
      {.batch = 5, .inputs = 64, .outputs = 128, .y = axis(8, 1, 2, 0), .x = axis(9, 1, 2, 0)},
      {.batch = 21,
       .inputs = 8,
       .outputs = 8,
       .groups = 8,
       .y = axis(40, 3, 1, 1),
       .x = axis(40, 3, 1, 1)},
      {.batch = 1, .inputs = 5, .outputs = 33, .y = axis(31, 4, 3, 2, 2), .x = axis(29, 3, 2, 0)}};
  for (const ConvolutionShape& shape : shapes) {
    const auto narrow = computed_by<float>(2, shape);
    const auto wide = computed_by<double>(1, shape);
    const double roundings = 30 * std::sqrt(static_cast<double>(shape.batch * shape.out_size()));
    expect_close(narrow.out, wide.out, roundings);
    expect_close(narrow.grad_in, wide.grad_in, roundings);
    expect_close(narrow.grad_weight, wide.grad_weight, 4 * roundings);
  }
}

template <typename T>
class Convolution : public testing::Test {};
TYPED_TEST_SUITE(Convolution, Floats);

TYPED_TEST(Convolution, DoesNotDependOnTheNumberOfThreads) {
  for (const ConvolutionShape& shape : kShapes) {
    const auto alone = computed_by<TypeParam>(1, shape);
    for (const int threads : {2, 3, 7}) {
      const auto shared = computed_by<TypeParam>(threads, shape);
      expect_identical(shared.out, alone.out);
      expect_identical(shared.grad_in, alone.grad_in);
      expect_identical(shared.grad_weight, alone.grad_weight);
    }
  }
}

TYPED_TEST(Convolution, AddsToGradientsThatExist) {
  const ConvolutionShape shape{
      .batch = 2, .inputs = 1, .outputs = 1, .y = axis(1, 1, 1, 0), .x = axis(3, 2, 1, 0)};
  const std::vector<TypeParam> in(6, TypeParam(accumulator_t<TypeParam>(1))), weight(2, in[0]),
      grad_out(4, in[0]);
  std::vector<TypeParam> grad_in(6, in[0]), grad_weight(2, in[0]);
  std::vector<accumulator_t<TypeParam>> workspace(
      static_cast<size_t>(convolution_workspace(OnCpu{}, shape)));
  convolution_input_gradient(OnCpu{}, grad_in.data(), grad_out.data(), weight.data(), shape, true);
  convolution_weight_gradient(OnCpu{}, grad_weight.data(), workspace.data(), grad_out.data(),
                              in.data(), shape, true);
  expect_close(grad_in, {2, 3, 2, 2, 3, 2});
  expect_close(grad_weight, {5, 5});
}

}  // namespace
}  // namespace ripieno::kernels
