#include "ripieno/kernels/softmax.h"

#include "kernels/values.h"

namespace ripieno::kernels {
namespace {

std::vector<double> reference_softmax(const double* x, int64_t cols) {
  const double largest = *std::max_element(x, x + cols);
  double sum = 0;
  for (int64_t c = 0; c < cols; ++c) sum += std::exp(x[c] - largest);
  std::vector<double> out;
  for (int64_t c = 0; c < cols; ++c) out.push_back(std::exp(x[c] - largest) / sum);
  return out;
}

std::vector<double> reference_rows(const std::vector<double>& in, int64_t cols, bool logarithm) {
  std::vector<double> out;
  for (size_t r = 0; r < in.size(); r += cols) {
    for (const double p : reference_softmax(&in[r], cols)) {
      out.push_back(logarithm ? std::log(p) : p);
    }
  }
  return out;
}

template <typename T>
class Softmax : public testing::Test {};
TYPED_TEST_SUITE(Softmax, Floats);

TYPED_TEST(Softmax, RowsAreProbabilitiesOrTheirLogarithms) {
  for (const bool logarithm : {false, true}) {
    for (const int64_t cols : kOddSizes) {
      auto values = random_values<TypeParam>(3 * cols, 1, -8, 8);
      const auto expected = reference_rows(to_doubles(values), cols, logarithm);
      softmax_forward(OnCpu{}, values.data(), values.data(), 3, cols, logarithm);
      expect_close(values, expected);
    }
  }
}

TYPED_TEST(Softmax, BackwardIsTheJacobianTimesTheGradient) {
  for (const bool logarithm : {false, true}) {
    for (const int64_t cols : kOddSizes) {
      auto out = random_values<TypeParam>(3 * cols, 1, -3, 3);
      softmax_forward(OnCpu{}, out.data(), out.data(), 3, cols, logarithm);
      auto grad = random_values<TypeParam>(3 * cols, 2);
      std::vector<double> expected;
      for (int64_t r = 0; r < 3; ++r) {
        for (int64_t i = 0; i < cols; ++i) {
          double sum = 0;  // over j of grad[j] * (d out[j] / d in[i])
          const double yi = to_double(out[r * cols + i]);
          for (int64_t j = 0; j < cols; ++j) {
            const double yj = to_double(out[r * cols + j]), same = i == j ? 1.0 : 0.0;
            const double slope = logarithm ? same - std::exp(yi) : yj * (same - yi);
            sum += to_double(grad[r * cols + j]) * slope;
          }
          expected.push_back(sum);
        }
      }
      softmax_backward(OnCpu{}, grad.data(), grad.data(), out.data(), 3, cols, logarithm);
      expect_close(grad, expected, 64.0);
    }
  }
}

TEST(Softmax, LogarithmDoesNotLosePrecisionUnderAShift) {
  for (const float c : {1e5f, 1e8f, -1e30f}) {
    float row[] = {c, c};
    softmax_forward(OnCpu{}, row, row, 1, 2, true);
    for (const float y : row) EXPECT_FLOAT_EQ(y, -std::log(2.0f)) << c;
  }
}

TEST(Softmax, IsFiniteForLargeLogitsAndNanForNan) {
  const float in[] = {3e38f, -3e38f, 0.0f, 1.0f, NAN, 0.0f};
  float out[6];
  softmax_forward(OnCpu{}, out, in, 2, 3, false);
  EXPECT_EQ(std::vector<float>(out, out + 3), (std::vector<float>{1, 0, 0}));
  for (int i = 3; i < 6; ++i) EXPECT_TRUE(std::isnan(out[i]));
}

}  // namespace
}  // namespace ripieno::kernels
