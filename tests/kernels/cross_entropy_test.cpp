#include "ripieno/kernels/cross_entropy.h"

#include "kernels/values.h"

namespace ripieno::kernels {
namespace {

constexpr int64_t kRows = 5;

// Log-probabilities of each row.
std::vector<double> log_probabilities(const std::vector<double>& logits, int64_t classes) {
  std::vector<double> out;
  for (auto row = logits.begin(); row != logits.end(); row += classes) {
    double sum = 0;
    for (auto x = row; x != row + classes; ++x) sum += std::exp(*x);
    for (auto x = row; x != row + classes; ++x) out.push_back(*x - std::log(sum));
  }
  return out;
}

template <typename T>
class CrossEntropy : public testing::Test {
 public:
  using A = accumulator_t<T>;
  const std::vector<int32_t> targets{3, -1, 0, 30, 7};  // -1 is ignored below
  std::vector<A> log_sum_exp = std::vector<A>(2 * kRows), row_losses = std::vector<A>(kRows);

  void forward(const std::vector<T>& logits, int64_t classes, const std::vector<int32_t>& of) {
    cross_entropy_forward(OnCpu{}, row_losses.data(), log_sum_exp.data(), logits.data(), of.data(),
                          {kRows, classes, classes}, -1);
  }
  std::vector<double> expected_losses(const std::vector<T>& logits, int64_t classes) const {
    const auto logs = log_probabilities(to_doubles(logits), classes);
    std::vector<double> out;
    for (int64_t r = 0; r < kRows; ++r) {
      out.push_back(targets[r] < 0 ? 0.0 : -logs[r * classes + targets[r]]);
    }
    return out;
  }
  std::vector<double> expected_gradient(const std::vector<T>& logits, int64_t classes,
                                        double scale) const {
    auto out = log_probabilities(to_doubles(logits), classes);
    for (int64_t i = 0; i < kRows * classes; ++i) {
      const int32_t target = targets[i / classes];
      const double hit = i % classes == target ? 1.0 : 0.0;
      out[i] = target < 0 ? 0.0 : scale * (std::exp(out[i]) - hit);
    }
    return out;
  }
};
TYPED_TEST_SUITE(CrossEntropy, Floats);

TYPED_TEST(CrossEntropy, IsTheLossOfEachRowThatIsNotIgnored) {
  for (const int64_t classes : {31, 32, 33, 1001}) {
    const auto logits = random_values<TypeParam>(kRows * classes, 1, -4, 4);
    this->forward(logits, classes, this->targets);
    expect_close(this->row_losses, this->expected_losses(logits, classes), 64.0);
  }
}

TYPED_TEST(CrossEntropy, BackwardIsProbabilitiesMinusTheTarget) {
  for (const int64_t classes : {31, 32, 33, 1001}) {
    auto logits = random_values<TypeParam>(kRows * classes, 1, -4, 4);
    const auto expected = this->expected_gradient(logits, classes, 0.5);
    this->forward(logits, classes, this->targets);
    const accumulator_t<TypeParam> grad_loss = 0.5;
    cross_entropy_backward(OnCpu{}, logits.data(), &grad_loss, logits.data(), this->targets.data(),
                           this->log_sum_exp.data(), {kRows, classes, classes}, -1);
    expect_close(logits, expected);
  }
}

TYPED_TEST(CrossEntropy, InPlaceComputesLossAndGradient) {
  for (const int64_t classes : {31, 32, 33, 1001}) {
    auto logits = random_values<TypeParam>(kRows * classes, 1, -4, 4);
    const auto losses = this->expected_losses(logits, classes);
    const auto gradient = this->expected_gradient(logits, classes, 8.0);
    cross_entropy_in_place(OnCpu{}, this->row_losses.data(), logits.data(), this->targets.data(),
                           {kRows, classes, classes}, -1, 8.0);
    expect_close(this->row_losses, losses, 64.0);
    expect_close(logits, gradient);
  }
}

TYPED_TEST(CrossEntropy, InPlaceDoesNotTouchThePaddingBetweenRows) {
  const int64_t classes = 31, stride = 40;
  auto logits = random_values<TypeParam>(kRows * stride, 1, -4, 4);
  const auto before = logits;
  cross_entropy_in_place(OnCpu{}, this->row_losses.data(), logits.data(), this->targets.data(),
                         {kRows, classes, stride}, -1, 1.0);
  for (int64_t i = 0; i < kRows * stride; ++i) {
    const bool is_logit = i % stride < classes;
    ASSERT_EQ(to_double(logits[i]) == to_double(before[i]), !is_logit) << i;
  }
}

TYPED_TEST(CrossEntropy, OfATargetOutOfRangeIsNanAndHasNoGradient) {
  for (const int32_t wrong : {31, -2}) {
    auto logits = random_values<TypeParam>(kRows * 31, 1);
    const std::vector<int32_t> with_wrong = {3, -1, 0, wrong, 7};
    this->forward(logits, 31, with_wrong);
    EXPECT_TRUE(std::isnan(this->row_losses[3]));
    cross_entropy_in_place(OnCpu{}, this->row_losses.data(), logits.data(), with_wrong.data(),
                           {kRows, 31, 31}, -1, 1.0);
    for (int64_t r = 0; r < kRows; ++r) {
      EXPECT_EQ(std::isnan(this->row_losses[r]), r == 3);
      EXPECT_EQ(to_double(logits[r * 31]) == 0, r == 1 || r == 3);
    }
  }
}

// Logits are all c, except the first, which is c - 1: losses and gradients must be as for c = 0.
TYPED_TEST(CrossEntropy, DoesNotLosePrecisionUnderAShift) {
  using Sum = accumulator_t<TypeParam>;
  const double largest = std::is_same_v<TypeParam, float16> ? 1024 : 256;
  for (const double c : {0.0, largest, std::is_same_v<Sum, TypeParam> ? 1e6 : largest}) {
    const auto number = [](double x) { return TypeParam(static_cast<Sum>(x)); };
    const std::vector<TypeParam> row{number(c - 1), number(c), number(c)};
    const double sum = 2 + std::exp(-1.0), loss = std::log(sum);
    const int32_t target = 1;
    const Sum grad_loss = 1;
    Sum row_loss = 0, sums[2];
    std::vector<TypeParam> gradient(3), in_place = row;
    cross_entropy_forward(OnCpu{}, &row_loss, sums, row.data(), &target, {1, 3, 3}, -1);
    cross_entropy_backward(OnCpu{}, gradient.data(), &grad_loss, row.data(), &target, sums,
                           {1, 3, 3}, -1);
    EXPECT_NEAR(row_loss, loss, 1e-6);
    expect_close(gradient, {std::exp(-1.0) / sum, 1 / sum - 1, 1 / sum});
    cross_entropy_in_place(OnCpu{}, &row_loss, in_place.data(), &target, {1, 3, 3}, -1, 1.0);
    EXPECT_NEAR(row_loss, loss, 1e-6);
    EXPECT_EQ(to_doubles(in_place), to_doubles(gradient));
  }
}

TEST(CrossEntropy, OfTwoEqualLogitsOfAnySizeIsTheLogarithmOfTwo) {
  for (const float c : {1e5f, 1e8f, -1e8f, 1e30f}) {
    const float row[] = {c, c}, one = 1;
    const int32_t target = 1;
    float loss = 0, log_sum_exp[2], gradient[2];
    cross_entropy_forward(OnCpu{}, &loss, log_sum_exp, row, &target, {1, 2, 2}, -1);
    cross_entropy_backward(OnCpu{}, gradient, &one, row, &target, log_sum_exp, {1, 2, 2}, -1);
    EXPECT_FLOAT_EQ(loss, std::log(2.0f)) << c;
    EXPECT_NEAR(gradient[0], 0.5f, 1e-6f) << c;
    EXPECT_NEAR(gradient[1], -0.5f, 1e-6f) << c;
  }
}

TEST(CrossEntropy, SumsTheRowsAndCountsThoseThatAreNotIgnored) {
  const float row_losses[] = {1.5f, 0.0f, 2.0f};
  const int32_t targets[] = {3, -7, 0};
  float sum = 0, count = 0;
  cross_entropy_sum(OnCpu{}, &sum, &count, row_losses, targets, 3, -7);
  EXPECT_EQ(sum, 3.5f);
  EXPECT_EQ(count, 2.0f);
  cross_entropy_sum(OnCpu{}, &sum, &count, row_losses, targets, 0, -7);
  EXPECT_EQ(sum, 0.0f);
  EXPECT_EQ(count, 0.0f);
}

}  // namespace
}  // namespace ripieno::kernels
