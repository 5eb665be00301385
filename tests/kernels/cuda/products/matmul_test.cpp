#include "ripieno/kernels/matmul.h"

#include <array>

#include "kernel_test.h"

namespace ripieno::testing {
namespace {

using kernels::Activation;
using kernels::MatmulShape;

class Matmul : public KernelTest {};
INSTANTIATE_TEST_SUITE_P(Cuda, Matmul, device_runs(), run_name);

MatmulShape dense(int64_t m, int64_t n, int64_t k, bool transpose_a, bool transpose_b) {
  return {.m = m,
          .n = n,
          .k = k,
          .transpose_a = transpose_a,
          .transpose_b = transpose_b,
          .lda = transpose_a ? m : k,
          .ldb = transpose_b ? k : n,
          .ldc = n,
          .batch = 2,
          .stride_a = m * k,
          .stride_b = k * n,
          .stride_c = m * n};
}

TEST_P(Matmul, AgreesWithTheCpuInEachLayout) {
  for_each_float_type([]<typename T>(Type<T>) {
    for (const auto& [m, n, k] : {std::array<int64_t, 3>{1, 1, 1}, {31, 33, 65}, {64, 128, 0}}) {
      for (int layout = 0; layout < 8; ++layout) {
        const MatmulShape shape = dense(m, n, k, layout & 1, layout & 2);
        Both<T> a = some_numbers<T>(2 * m * k, 1), b = some_numbers<T>(2 * k * n, 2);
        Both<T> c = some_numbers<T>(2 * m * n, 3);
        on_both([&](auto place, auto at) {
          kernels::matmul(place, at(c), at(a), at(b), shape, (layout & 4) != 0);
        });
        expect_agreement(c, 16 * kTolerance<T>);
      }
    }
  });
}

TEST_P(Matmul, SumsInFloatAgreeWithTheCpu) {
  for_each_float_type([]<typename T>(Type<T>) {
    for (const bool accumulate : {false, true}) {
      const MatmulShape shape = dense(31, 33, 65, true, false);
      Both<T> a = some_numbers<T>(2 * 31 * 65, 1), b = some_numbers<T>(2 * 33 * 65, 2);
      Both<accumulator_t<T>> c = some_numbers<accumulator_t<T>>(2 * 31 * 33, 3);
      on_both([&](auto place, auto at) {
        kernels::matmul_to_float(place, at(c), at(a), at(b), shape, accumulate);
      });
      expect_agreement(c, 16 * kTolerance<accumulator_t<T>>);
    }
  });
}

TEST_P(Matmul, BiasAndActivationAgreeWithTheCpu) {
  for_each_float_type([]<typename T>(Type<T>) {
    const MatmulShape shape = dense(31, 33, 65, false, true);
    Both<T> a = some_numbers<T>(2 * 31 * 65, 1), b = some_numbers<T>(2 * 33 * 65, 2);
    Both<T> bias = some_numbers<T>(33, 3), c(2 * 31 * 33), before(2 * 31 * 33);
    on_both([&](auto place, auto at) {
      kernels::matmul_bias_activation(place, at(c), at(before), at(a), at(b), at(bias), shape,
                                      Activation::kGeluTanh);
    });
    expect_agreement(c, 16 * kTolerance<T>);
    expect_agreement(before, 16 * kTolerance<T>);
  });
}

}  // namespace
}  // namespace ripieno::testing
