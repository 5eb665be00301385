#include "ripieno/kernels/elementwise.h"

#include <functional>
#include <limits>
#include <numeric>

#include "kernels/values.h"

namespace ripieno::kernels {
namespace {

struct UnaryCase {
  Unary op;
  double low, high;
  std::function<double(double)> value, derivative;
};

const UnaryCase kUnaryCases[] = {
    {Unary::kNegate, -2, 2, [](double x) { return -x; }, [](double) { return -1.0; }},
    {Unary::kExp, -5, 3, [](double x) { return std::exp(x); },
     [](double x) { return std::exp(x); }},
    {Unary::kLog, 0.1, 9, [](double x) { return std::log(x); }, [](double x) { return 1 / x; }},
    {Unary::kSqrt, 0.1, 9, [](double x) { return std::sqrt(x); },
     [](double x) { return 0.5 / std::sqrt(x); }},
    {Unary::kTanh, -4, 4, [](double x) { return std::tanh(x); },
     [](double x) { return 1 - std::tanh(x) * std::tanh(x); }},
    {Unary::kSin, -7, 7, [](double x) { return std::sin(x); },
     [](double x) { return std::cos(x); }},
    {Unary::kCos, -7, 7, [](double x) { return std::cos(x); },
     [](double x) { return -std::sin(x); }},
    {Unary::kSquare, -2, 2, [](double x) { return x * x; }, [](double x) { return 2 * x; }},
    {Unary::kReciprocal, 0.2, 3, [](double x) { return 1 / x; },
     [](double x) { return -1 / (x * x); }},
};

struct BinaryCase {
  Binary op;
  std::function<double(double, double)> value;
};

const BinaryCase kBinaryCases[] = {
    {Binary::kAdd, [](double a, double b) { return a + b; }},
    {Binary::kSubtract, [](double a, double b) { return a - b; }},
    {Binary::kMultiply, [](double a, double b) { return a * b; }},
    {Binary::kDivide, [](double a, double b) { return a / b; }},
};

TEST(Formulas, AreAllCovered) {
#define COUNT(...) +1
  EXPECT_EQ(std::size(kUnaryCases), std::size_t{RIPIENO_UNARY_FORMULAS(COUNT)});
  EXPECT_EQ(std::size(kBinaryCases), std::size_t{RIPIENO_BINARY_FORMULAS(COUNT)});
}

template <typename T>
class Elementwise : public testing::Test {};
TYPED_TEST_SUITE(Elementwise, Floats);

TYPED_TEST(Elementwise, UnaryIsTheFunction) {
  for (const UnaryCase& c : kUnaryCases) {
    for (const int64_t size : kOddSizes) {
      auto values = random_values<TypeParam>(size, 1, c.low, c.high);
      std::vector<double> expected;
      for (const double x : to_doubles(values)) expected.push_back(c.value(x));
      unary(OnCpu{}, values.data(), values.data(), size, c.op);  // in place
      expect_close(values, expected);
    }
  }
}

TYPED_TEST(Elementwise, UnaryBackwardIsTheDerivative) {
  for (const UnaryCase& c : kUnaryCases) {
    for (const int64_t size : kOddSizes) {
      const auto in = random_values<TypeParam>(size, 1, c.low, c.high);
      auto grad = random_values<TypeParam>(size, 2);
      std::vector<double> expected;
      for (int64_t i = 0; i < size; ++i) {
        expected.push_back(to_double(grad[i]) * c.derivative(to_double(in[i])));
      }
      unary_backward(OnCpu{}, grad.data(), grad.data(), in.data(), size, c.op);
      expect_close(grad, expected);
    }
  }
}

TYPED_TEST(Elementwise, BinaryIsTheFunction) {
  for (const BinaryCase& c : kBinaryCases) {
    for (const int64_t size : kOddSizes) {
      const auto a = random_values<TypeParam>(size, 1);
      const auto b = random_values<TypeParam>(size, 2, 0.5, 2.0);
      std::vector<double> expected;
      for (int64_t i = 0; i < size; ++i)
        expected.push_back(c.value(to_double(a[i]), to_double(b[i])));
      std::vector<TypeParam> out(size);
      binary(OnCpu{}, out.data(), a.data(), b.data(), size, c.op);
      expect_close(out, expected);
    }
  }
}

// Offsets of a strided operand's elements, one for each element of the contiguous output.
std::vector<int64_t> offsets(const StridedShape& shape, const int64_t* strides) {
  std::vector<int64_t> out{0};
  for (int axis = 0; axis < shape.rank; ++axis) {
    std::vector<int64_t> next;
    for (const int64_t offset : out) {
      for (int64_t i = 0; i < shape.sizes[axis]; ++i) next.push_back(offset + i * strides[axis]);
    }
    out = next;
  }
  return out;
}

// Broadcast rows and columns, a transposition, a stride of two, one element, no axis, an empty
// axis.
const StridedShape kStridedShapes[] = {
    {.rank = 2, .sizes = {33, 31}, .strides_a = {31, 1}, .strides_b = {0, 1}},
    {.rank = 2, .sizes = {33, 31}, .strides_a = {31, 1}, .strides_b = {1, 0}},
    {.rank = 2, .sizes = {33, 31}, .strides_a = {0, 1}, .strides_b = {31, 1}},
    {.rank = 2, .sizes = {33, 31}, .strides_a = {1, 33}, .strides_b = {31, 1}},
    {.rank = 3, .sizes = {5, 1, 200}, .strides_a = {400, 7, 2}, .strides_b = {0, 0, 0}},
    {.rank = 4, .sizes = {3, 5, 7, 11}, .strides_a = {385, 11, 55, 1}, .strides_b = {0, 11, 0, 1}},
    {.rank = 3, .sizes = {40, 30, 20}, .strides_a = {600, 20, 1}, .strides_b = {20, 0, 1}},
    {.rank = 1, .sizes = {1}, .strides_a = {1}, .strides_b = {1}},
    {.rank = 0},
    {.rank = 2, .sizes = {4, 0}, .strides_a = {0, 1}, .strides_b = {0, 1}},
};

TYPED_TEST(Elementwise, BinaryStridedReadsWithStrides) {
  const auto a = random_values<TypeParam>(30000, 1);
  const auto b = random_values<TypeParam>(30000, 2, 0.5, 2.0);
  for (const StridedShape& shape : kStridedShapes) {
    const auto from_a = offsets(shape, shape.strides_a), from_b = offsets(shape, shape.strides_b);
    for (const BinaryCase& c : kBinaryCases) {
      std::vector<double> expected;
      for (size_t i = 0; i < from_a.size(); ++i) {
        expected.push_back(c.value(to_double(a[from_a[i]]), to_double(b[from_b[i]])));
      }
      std::vector<TypeParam> out(expected.size());
      binary_strided(OnCpu{}, out.data(), a.data(), b.data(), shape, c.op);
      expect_close(out, expected);
    }
  }
}

TYPED_TEST(Elementwise, AffineScalesAndShifts) {
  for (const int64_t size : kOddSizes) {
    auto values = random_values<TypeParam>(size, 1);
    std::vector<double> expected;
    for (const double x : to_doubles(values)) expected.push_back(0.75 * x - 3.0);
    affine(OnCpu{}, values.data(), values.data(), size, 0.75, -3.0);
    expect_close(values, expected);
  }
}

TYPED_TEST(Elementwise, FillSetsExactlyTheElements) {
  std::vector<TypeParam> values(10001, TypeParam(2.0f));
  fill(OnCpu{}, values.data(), 10000, TypeParam(7.0f));
  EXPECT_TRUE(std::all_of(values.begin(), values.end() - 1,
                          [](TypeParam x) { return to_double(x) == 7.0; }));
  EXPECT_EQ(to_double(values.back()), 2.0);
}

template <typename Word>
class StridedCopy : public testing::Test {};
using Words = testing::Types<uint8_t, uint16_t, uint32_t, uint64_t>;
TYPED_TEST_SUITE(StridedCopy, Words);

TYPED_TEST(StridedCopy, ReadsWithStrides) {
  std::vector<TypeParam> in(30000);
  std::iota(in.begin(), in.end(), TypeParam{1});
  for (const StridedShape& shape : kStridedShapes) {
    std::vector<TypeParam> expected;
    for (const int64_t offset : offsets(shape, shape.strides_a)) expected.push_back(in[offset]);
    std::vector<TypeParam> out(expected.size());
    copy_strided(OnCpu{}, out.data(), in.data(), shape);
    EXPECT_EQ(out, expected);
  }
}

TYPED_TEST(StridedCopy, WritesOnlyTheStridedElements) {
  for (const StridedShape& shape : {kStridedShapes[3], kStridedShapes[4], kStridedShapes[5]}) {
    const auto to = offsets(shape, shape.strides_a);
    std::vector<TypeParam> in(to.size()), out(3000, TypeParam{99}), expected = out;
    std::iota(in.begin(), in.end(), TypeParam{1});
    for (size_t i = 0; i < to.size(); ++i) expected[to[i]] = in[i];
    copy_to_strided(OnCpu{}, out.data(), in.data(), shape);
    EXPECT_EQ(out, expected);
  }
}

// Casts between all types: small integers have the same value in all of them.
template <typename To, typename From>
void expect_cast_keeps_small_integers() {
  std::vector<double> numbers{0, 1};
  if constexpr (!std::is_same_v<To, bool> && !std::is_same_v<From, bool>) numbers = {0, 1, 2, 100};
  for (int64_t i = static_cast<int64_t>(numbers.size()); i < 33; ++i) numbers.push_back(1);
  const auto make = [](auto zero, double x) {
    using T = decltype(zero);
    if constexpr (std::is_arithmetic_v<T>)
      return static_cast<T>(x);
    else
      return T(static_cast<float>(x));
  };
  From in[33];
  To out[33];
  for (size_t i = 0; i < 33; ++i) in[i] = make(From{}, numbers[i]);
  cast(OnCpu{}, out, in, 33);
  for (size_t i = 0; i < 33; ++i) EXPECT_EQ(to_double(out[i]), to_double(make(To{}, numbers[i])));
}

template <typename To>
void expect_cast_from_each() {
  expect_cast_keeps_small_integers<To, float>();
  expect_cast_keeps_small_integers<To, double>();
  expect_cast_keeps_small_integers<To, bfloat16>();
  expect_cast_keeps_small_integers<To, float16>();
  expect_cast_keeps_small_integers<To, int64_t>();
  expect_cast_keeps_small_integers<To, int32_t>();
  expect_cast_keeps_small_integers<To, uint8_t>();
  expect_cast_keeps_small_integers<To, bool>();
}

TEST(Cast, KeepsSmallIntegersBetweenAllTypes) {
  expect_cast_from_each<float>();
  expect_cast_from_each<double>();
  expect_cast_from_each<bfloat16>();
  expect_cast_from_each<float16>();
  expect_cast_from_each<int64_t>();
  expect_cast_from_each<int32_t>();
  expect_cast_from_each<uint8_t>();
  expect_cast_from_each<bool>();
}

TEST(Cast, RoundsToTheNarrowerType) {
  const float in[] = {1.0f / 3.0f, 65504.0f, 1e-5f};
  float16 half[3];
  bfloat16 brain[3];
  cast(OnCpu{}, half, in, 3);
  cast(OnCpu{}, brain, in, 3);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(half[i].bits, float16(in[i]).bits);
    EXPECT_EQ(brain[i].bits, bfloat16(in[i]).bits);
  }
}

TEST(Cast, ToBoolIsTrueIfNonzero) {
  const float in[] = {0.0f, -0.0f, 0.25f, -3.0f};
  bool out[4];
  cast(OnCpu{}, out, in, 4);
  EXPECT_EQ(std::vector<bool>(out, out + 4), (std::vector<bool>{false, false, true, true}));
}

// Largest error of a unary operation in float over [low, high], in units in the last place.
double worst_error(Unary op, double (*reference)(double), float low, float high) {
  constexpr int64_t kSteps = 100000;
  std::vector<float> in(kSteps), out(kSteps);
  for (int64_t i = 0; i < kSteps; ++i) {
    in[i] = low + (high - low) * static_cast<float>(i) / static_cast<float>(kSteps);
  }
  unary(OnCpu{}, out.data(), in.data(), kSteps, op);
  double worst = 0;
  for (int64_t i = 0; i < kSteps; ++i) {
    const double expected = reference(static_cast<double>(in[i]));
    const float rounded = static_cast<float>(expected);
    const double unit =
        std::max(0x1p-149, static_cast<double>(std::nextafter(std::fabs(rounded), INFINITY)) -
                               std::fabs(static_cast<double>(rounded)));
    worst = std::max(worst, std::fabs(static_cast<double>(out[i]) - expected) / unit);
  }
  return worst;
}

TEST(FloatMath, ExpIsWithinTwoUnitsInTheLastPlace) {
  EXPECT_LE(worst_error(Unary::kExp, std::exp, -86.8f, 88.7f), 2.0);
  EXPECT_LE(worst_error(Unary::kExp, std::exp, -1.0f, 1.0f), 2.0);
}

TEST(FloatMath, TanhIsWithinFourUnitsInTheLastPlace) {
  EXPECT_LE(worst_error(Unary::kTanh, std::tanh, -12.0f, 12.0f), 4.0);
  EXPECT_LE(worst_error(Unary::kTanh, std::tanh, -0.01f, 0.01f), 4.0);
}

TEST(FloatMath, IsCorrectAtTheEndsOfTheRange) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const float in[] = {kInfinity, -kInfinity, 1000.0f, -1000.0f, std::nanf("")};
  float out[5];
  unary(OnCpu{}, out, in, 5, Unary::kExp);
  EXPECT_EQ(std::vector<float>(out, out + 4), (std::vector<float>{kInfinity, 0, kInfinity, 0}));
  EXPECT_TRUE(std::isnan(out[4]));
  unary(OnCpu{}, out, in, 5, Unary::kTanh);
  EXPECT_EQ(std::vector<float>(out, out + 4), (std::vector<float>{1, -1, 1, -1}));
  EXPECT_TRUE(std::isnan(out[4]));
}

}  // namespace
}  // namespace ripieno::kernels
