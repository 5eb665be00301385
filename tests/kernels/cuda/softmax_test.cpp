#include "ripieno/kernels/softmax.h"

#include "kernel_test.h"

namespace ripieno::testing {
namespace {

class Softmax : public KernelTest {};
INSTANTIATE_TEST_SUITE_P(Cuda, Softmax, device_runs(), run_name);

// kSizes, rows in vectors, and rows too long for registers.
constexpr int64_t kRowSizes[] = {1, 31, 32, 33, 320, 1001, 5000};

TEST_P(Softmax, ForwardAgreesWithTheCpu) {
  for_each_float_type([]<typename T>(Type<T>) {
    for (const int64_t cols : kRowSizes) {
      for (const bool logarithm : {false, true}) {
        const int64_t rows = 3;
        Both<T> out(rows * cols), in = some_numbers<T>(rows * cols, 1, -8, 8);
        on_both([&](auto place, auto at) {
          kernels::softmax_forward(place, at(out), at(in), rows, cols, logarithm);
        });
        expect_agreement(out);
      }
    }
  });
}

TEST_P(Softmax, LogarithmDoesNotLosePrecisionUnderAShift) {
  for_each_float_type([]<typename T>(Type<T>) {
    const double large = std::is_same_v<T, float16> ? 6e4 : 1e8;
    for (const int64_t cols : kRowSizes) {
      Both<T> out(cols), in = some_numbers<T>(cols, 1, large, large);
      kernels::softmax_forward(OnCuda{}, out.device(), in.device(), 1, cols, true);
      const auto logarithms = out.from_device();
      const double expected = -std::log(static_cast<double>(cols));
      for (int64_t i = 0; i < cols; ++i) {
        ASSERT_TRUE(agree(to_double(logarithms[i]), expected, kTolerance<T>))
            << i << " of " << cols;
      }
    }
  });
}

TEST_P(Softmax, BackwardAgreesWithTheCpuWhereItOverwritesItsInput) {
  for_each_float_type([]<typename T>(Type<T>) {
    for (const int64_t cols : kRowSizes) {
      for (const bool logarithm : {false, true}) {
        const int64_t rows = 3;
        Both<T> gradient = some_numbers<T>(rows * cols, 1), out = some_numbers<T>(rows * cols, 2);
        on_both([&](auto place, auto at) {
          kernels::softmax_backward(place, at(gradient), at(gradient), at(out), rows, cols,
                                    logarithm);
        });
        expect_agreement(gradient, 40 * kTolerance<T>);
      }
    }
  });
}

TEST_P(Softmax, WithoutRowsDoesNothing) {
  Both<float> out{1.0f};
  on_both(
      [&](auto place, auto at) { kernels::softmax_forward(place, at(out), at(out), 0, 1, false); });
  expect_same_bits(out);
}

}  // namespace
}  // namespace ripieno::testing
