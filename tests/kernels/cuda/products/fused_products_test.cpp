// Tests products with epilogues against the CPU kernels: everywhere with a library that follows
// cuBLASLt's documentation, and on a GPU with cuBLASLt itself.
#include "kernel_test.h"
#include "library_under_test.h"
#include "ripieno/kernels/cuda/products/products.h"
#include "ripieno/kernels/linear.h"
#include "ripieno/kernels/matmul.h"
#include "ripieno/kernels/reduce.h"

namespace ripieno::testing {
namespace {

using kernels::Activation;
using kernels::LinearShape;
using kernels::MatmulShape;

class FusedProducts : public KernelTest {};
INSTANTIATE_TEST_SUITE_P(Cuda, FusedProducts, device_runs(), run_name);

// Roundings to T: one more if the epilogue is a separate kernel.
template <typename T>
constexpr double kRounding = 16 * kTolerance<T>;

// y = x weight^T.   x: (rows, inputs); weight: (outputs, inputs); `gap` elements between y's rows.
MatmulShape forward(int64_t rows, int64_t outputs, int64_t inputs, int64_t gap = 0) {
  return {.m = rows,
          .n = outputs,
          .k = inputs,
          .transpose_b = true,
          .lda = inputs,
          .ldb = inputs,
          .ldc = outputs + gap};
}

template <typename T>
void expect_same_forward(const MatmulShape& shape, Activation activation, bool with_bias,
                         bool kept) {
  Both<T> x = some_numbers<T>(shape.m * shape.k, 1), w = some_numbers<T>(shape.n * shape.k, 2);
  Both<T> bias = some_numbers<T>(shape.n, 3), y(shape.m * shape.ldc), before(shape.m * shape.ldc);
  T* const none = nullptr;
  on_both([&](auto place, auto at) {
    kernels::matmul_bias_activation(place, at(y), kept ? at(before) : none, at(x), at(w),
                                    with_bias ? at(bias) : none, shape, activation);
  });
  expect_agreement(y, kRounding<T>);
  expect_agreement(before, kRounding<T>);
}

TEST_P(FusedProducts, BiasAndGeluAgreeWithTheCpu) {
  with_and_without_epilogues([] {
    for_each_float_type([]<typename T>(Type<T>) {
      for (const bool with_bias : {false, true}) {
        for (const bool kept : {false, true}) {
          expect_same_forward<T>(forward(9, 32, 21), Activation::kGeluTanh, with_bias, kept);
          expect_same_forward<T>(forward(5, 31, 3, 1), Activation::kGeluTanh, with_bias, kept);
        }
      }
      expect_same_forward<T>(forward(1, 33, 7), Activation::kNone, true, false);
      expect_same_forward<T>(forward(7, 1, 33), Activation::kNone, true, false);
    });
  });
}

TEST_P(FusedProducts, OtherActivationsUseBuiltInKernels) {
  expect_no_gelu_of_the_library([] {
    for (const auto activation : {Activation::kRelu, Activation::kGelu}) {
      expect_same_forward<float>(forward(9, 32, 21), activation, true, true);
    }
    expect_same_forward<bfloat16>(forward(9, 33, 21), Activation::kGeluTanh, true, true);
    expect_same_forward<float>(forward(9, 32, 21), Activation::kGeluTanh, true, true);
    expect_same_forward<double>(forward(9, 32, 21), Activation::kGeluTanh, true, true);
    expect_same_forward<bfloat16>(forward(9, 32, 0), Activation::kGeluTanh, true, true);
  });
}

template <typename T>
void expect_same_input_gradient(const LinearShape& shape, Activation activation) {
  const int64_t size = shape.rows * shape.inputs;
  Both<T> grad_y = some_numbers<T>(shape.rows * shape.outputs, 1);
  Both<T> weight = some_numbers<T>(shape.outputs * shape.inputs, 2);
  Both<T> before = some_numbers<T>(size, 3), grad_x(size);
  on_both([&](auto place, auto at) {
    kernels::linear_input_gradient(place, at(grad_x), at(grad_y), at(weight), at(before), shape,
                                   activation);
  });
  expect_agreement(grad_x, kRounding<T>);
}

TEST_P(FusedProducts, TheGradientThroughGeluAgreesWithTheCpu) {
  with_and_without_epilogues([] {
    for_each_float_type([]<typename T>(Type<T>) {
      expect_same_input_gradient<T>({.rows = 9, .inputs = 32, .outputs = 11},
                                    Activation::kGeluTanh);
      expect_same_input_gradient<T>({.rows = 1, .inputs = 33, .outputs = 31},
                                    Activation::kGeluTanh);
      expect_same_input_gradient<T>({.rows = 5, .inputs = 8, .outputs = 1}, Activation::kRelu);
    });
  });
}

template <typename T>
void expect_same_parameter_gradients(const LinearShape& shape, bool add_to_weight,
                                     bool add_to_bias) {
  Both<T> grad_y = some_numbers<T>(shape.rows * shape.outputs, 1);
  Both<T> x = some_numbers<T>(shape.rows * shape.inputs, 2);
  Both<T> grad_weight = some_numbers<T>(shape.outputs * shape.inputs, 3);
  Both<T> grad_bias = some_numbers<T>(shape.outputs, 4);
  Both<accumulator_t<T>> workspace(
      kernels::reduce_workspace(OnCuda{}, {1, shape.rows, shape.outputs}));
  on_both([&](auto place, auto at) {
    kernels::linear_parameter_gradients<T>(
        place, {at(grad_weight), at(grad_bias), add_to_weight, add_to_bias}, at(workspace),
        at(grad_y), at(x), shape);
  });
  expect_agreement(grad_weight, kRounding<T>);
  expect_agreement(grad_bias, kRounding<T>);
}

TEST_P(FusedProducts, GradientsOfWeightAndBiasAgreeWithTheCpu) {
  with_and_without_epilogues([] {
    for_each_float_type([]<typename T>(Type<T>) {
      for (const bool add_to_weight : {false, true}) {
        for (const bool add_to_bias : {false, true}) {
          expect_same_parameter_gradients<T>({.rows = 21, .inputs = 9, .outputs = 33},
                                             add_to_weight, add_to_bias);
          expect_same_parameter_gradients<T>({.rows = 1, .inputs = 1, .outputs = 31}, add_to_weight,
                                             add_to_bias);
        }
      }
    });
  });
}

TEST_P(FusedProducts, WithoutRowsAreZeroOrUnchanged) {
  for (const bool add : {false, true}) {
    expect_same_parameter_gradients<float>({.rows = 0, .inputs = 5, .outputs = 7}, add, add);
  }
}

TEST(Tf32, IsUsedOnlyForFloatAndOnlyIfAllowed) {
  EXPECT_FALSE(kernels::cuda::types_of<float>().tf32);
  kernels::set_numerics({.tf32 = true});
  EXPECT_TRUE(kernels::cuda::types_of<float>().tf32);
  EXPECT_FALSE(kernels::cuda::types_of<double>().tf32);
  EXPECT_FALSE(kernels::cuda::types_of<bfloat16>().tf32);
  kernels::set_numerics({});
}

TEST_P(FusedProducts, SumsInFloatAgreeWithTheCpu) {
  for_each_float_type([]<typename T>(Type<T>) {
    const MatmulShape shape{
        .m = 7, .n = 9, .k = 33, .transpose_a = true, .lda = 7, .ldb = 9, .ldc = 9};
    Both<T> a = some_numbers<T>(7 * 33, 1), b = some_numbers<T>(9 * 33, 2);
    for (const bool accumulate : {false, true}) {
      Both<accumulator_t<T>> c = some_numbers<accumulator_t<T>>(7 * 9, 3);
      on_both([&](auto place, auto at) {
        kernels::matmul_to_float(place, at(c), at(a), at(b), shape, accumulate);
      });
      expect_agreement(c, 16 * kTolerance<accumulator_t<T>>);
    }
  });
}

}  // namespace
}  // namespace ripieno::testing
