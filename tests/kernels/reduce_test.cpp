#include "ripieno/kernels/reduce.h"

#include <array>

#include "kernels/values.h"
#include "ripieno/kernels/cpu_threads.h"

namespace ripieno::kernels {
namespace {

struct Sizes {
  int64_t outer, axis, inner;
};

// Along rows, along columns, along a middle axis, over everything, over more than one batch of
// chunks, over an empty axis.
constexpr Sizes kSizes[] = {{33, 1001, 1}, {1, 1001, 33}, {3, 31, 129},  {1, 5000, 1},
                            {1, 1, 1},     {5, 1, 7},     {2, 200, 300}, {1, 1100000, 1}};

double reference(const std::vector<double>& in, const Sizes& s, int64_t o, int64_t i,
                 Reduction reduction) {
  double result = reduction == Reduction::kSum ? 0.0 : -INFINITY;
  for (int64_t a = 0; a < s.axis; ++a) {
    const double x = in[(o * s.axis + a) * s.inner + i];
    result = reduction == Reduction::kSum ? result + x : std::max(result, x);
  }
  return result;
}

template <typename T>
class Reduce : public testing::Test {};
TYPED_TEST_SUITE(Reduce, Floats);

TYPED_TEST(Reduce, SumsOrFindsTheLargest) {
  for (const Sizes& s : kSizes) {
    const auto in = random_values<TypeParam>(s.outer * s.axis * s.inner, 1);
    const auto wide = to_doubles(in);
    for (const Reduction reduction : {Reduction::kSum, Reduction::kMax}) {
      std::vector<double> expected;
      for (int64_t at = 0; at < s.outer * s.inner; ++at) {
        expected.push_back(0.5 * reference(wide, s, at / s.inner, at % s.inner, reduction));
      }
      std::vector<TypeParam> out(expected.size());
      reduce(OnCpu{}, out.data(), in.data(), nullptr, {s.outer, s.axis, s.inner}, reduction, 0.5,
             false);
      expect_close(out, expected, 16.0 * (1.0 + std::sqrt(static_cast<double>(s.axis))));
    }
  }
}

TYPED_TEST(Reduce, AddsToTheOutputIfAccumulating) {
  const auto in = random_values<TypeParam>(3 * 31 * 5, 1);
  auto out = random_values<TypeParam>(15, 2);
  std::vector<double> expected = to_doubles(out);
  for (int64_t at = 0; at < 15; ++at) {
    expected[at] += 2.0 * reference(to_doubles(in), {3, 31, 5}, at / 5, at % 5, Reduction::kSum);
  }
  reduce(OnCpu{}, out.data(), in.data(), nullptr, {3, 31, 5}, Reduction::kSum, 2.0, true);
  expect_close(out, expected);
}

TYPED_TEST(Reduce, DoesNotDependOnTheNumberOfThreads) {
  for (const Sizes& s : kSizes) {
    const auto in = random_values<TypeParam>(s.outer * s.axis * s.inner, 1);
    std::vector<TypeParam> alone(s.outer * s.inner), together(s.outer * s.inner);
    reduce(OnCpu{}, alone.data(), in.data(), nullptr, {s.outer, s.axis, s.inner}, Reduction::kSum,
           1, false);
    set_cpu_threads(3);
    reduce(OnCpu{}, together.data(), in.data(), nullptr, {s.outer, s.axis, s.inner},
           Reduction::kSum, 1, false);
    set_cpu_threads(1);
    expect_identical(together, alone);
  }
}

TYPED_TEST(Reduce, MaximumOfNothingIsMinusInfinityAndNanPropagates) {
  std::vector<TypeParam> in = random_values<TypeParam>(200, 1), out(1);
  reduce(OnCpu{}, out.data(), in.data(), nullptr, {1, 0, 1}, Reduction::kMax, 1.0, false);
  EXPECT_EQ(to_double(out[0]), -INFINITY);
  in[77] = TypeParam(NAN);
  reduce(OnCpu{}, out.data(), in.data(), nullptr, {1, 200, 1}, Reduction::kMax, 1.0, false);
  EXPECT_TRUE(std::isnan(to_double(out[0])));
  std::vector<TypeParam> columns(2);
  reduce(OnCpu{}, columns.data(), in.data(), nullptr, {1, 100, 2}, Reduction::kMax, 1.0, false);
  EXPECT_FALSE(std::isnan(to_double(columns[0])));
  EXPECT_TRUE(std::isnan(to_double(columns[1])));
}

TYPED_TEST(Reduce, GradientOfTheMaximumGoesToTheFirstThatIsEqual) {
  const std::vector<TypeParam> in{TypeParam(1.0f), TypeParam(5.0f), TypeParam(3.0f),
                                  TypeParam(2.0f), TypeParam(3.0f), TypeParam(5.0f)};  // (1, 3, 2)
  const std::vector<TypeParam> out{TypeParam(3.0f), TypeParam(5.0f)};
  const std::vector<TypeParam> grad_out{TypeParam(7.0f), TypeParam(8.0f)};
  std::vector<TypeParam> grad(6, TypeParam(99.0f));
  reduce_max_backward(OnCpu{}, grad.data(), grad_out.data(), in.data(), out.data(), {1, 3, 2});
  EXPECT_EQ(to_doubles(grad), (std::vector<double>{0, 8, 7, 0, 0, 0}));
}

TYPED_TEST(Reduce, SumOfSquaresIsSummedInDouble) {
  for (const int64_t size : {1, 33, 4096, 4097, 100000}) {
    const auto in = random_values<TypeParam>(size, 1);
    double expected = 0, sum = 0, together = 0;
    for (const double x : to_doubles(in)) expected += x * x;
    std::vector<double> partials((size + kSumChunk - 1) / kSumChunk);
    sum_of_squares(OnCpu{}, &sum, partials.data(), in.data(), size);
    EXPECT_NEAR(sum, expected, 1e-12 * expected);
    set_cpu_threads(3);
    sum_of_squares(OnCpu{}, &together, partials.data(), in.data(), size);
    set_cpu_threads(1);
    EXPECT_EQ(together, sum);
  }
}

}  // namespace
}  // namespace ripieno::kernels
