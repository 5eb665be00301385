#include "ripieno/kernels/matmul.h"

#include "kernels/values.h"
#include "ripieno/kernels/cpu_threads.h"

namespace ripieno::kernels {
namespace {

// Operands of a shape, with `padding` elements between stored rows.
MatmulShape packed_shape(int64_t m, int64_t n, int64_t k, bool transpose_a, bool transpose_b,
                         int64_t batch = 1, int64_t padding = 0) {
  MatmulShape s{.m = m, .n = n, .k = k, .transpose_a = transpose_a, .transpose_b = transpose_b};
  s.lda = (transpose_a ? m : k) + padding;
  s.ldb = (transpose_b ? k : n) + padding;
  s.ldc = n + padding;
  s.batch = batch;
  s.stride_a = s.lda * (transpose_a ? k : m);
  s.stride_b = s.ldb * (transpose_b ? n : k);
  s.stride_c = s.ldc * m;
  return s;
}

template <typename T>
struct Operands {
  std::vector<T> a, b, c;

  explicit Operands(const MatmulShape& s)
      : a(random_values<T>(s.batch * s.stride_a + 1, 1)),
        b(random_values<T>(s.batch * s.stride_b + 1, 2)),
        c(random_values<T>(s.batch * s.stride_c + 1, 3)) {}

  double product(const MatmulShape& s, int64_t matrix, int64_t i, int64_t j) const {
    double sum = 0;
    for (int64_t p = 0; p < s.k; ++p) {
      const int64_t at_a = s.transpose_a ? p * s.lda + i : i * s.lda + p;
      const int64_t at_b = s.transpose_b ? j * s.ldb + p : p * s.ldb + j;
      sum += to_double(a[matrix * s.stride_a + at_a]) * to_double(b[matrix * s.stride_b + at_b]);
    }
    return sum;
  }

  // Expected c, including the unchanged padding between rows.
  std::vector<double> expected(const MatmulShape& s, bool accumulate) const {
    std::vector<double> out = to_doubles(c);
    for (int64_t matrix = 0; matrix < s.batch; ++matrix) {
      for (int64_t i = 0; i < s.m; ++i) {
        for (int64_t j = 0; j < s.n; ++j) {
          double& to = out[matrix * s.stride_c + i * s.ldc + j];
          to = (accumulate ? to : 0.0) + product(s, matrix, i, j);
        }
      }
    }
    return out;
  }
};

// The error of a sum of k products of numbers up to 2 grows like the square root of k.
double roundings_for(int64_t k) { return 16.0 * (1.0 + std::sqrt(static_cast<double>(k))); }

template <typename T>
void expect_matmul_is_right(const MatmulShape& shape) {
  for (const bool accumulate : {false, true}) {
    Operands<T> o(shape);
    const auto expected = o.expected(shape, accumulate);
    matmul(OnCpu{}, o.c.data(), o.a.data(), o.b.data(), shape, accumulate);
    expect_close(o.c, expected, roundings_for(shape.k));
  }
}

template <typename T>
class Matmul : public testing::Test {};
TYPED_TEST_SUITE(Matmul, Floats);

TYPED_TEST(Matmul, IsTheProductForEveryTransposition) {
  for (const bool transpose_a : {false, true}) {
    for (const bool transpose_b : {false, true}) {
      for (const auto& [m, n, k] : {std::array<int64_t, 3>{1, 1, 1},
                                    {31, 33, 32},
                                    {33, 31, 1},
                                    {1, 65, 300},
                                    {65, 1, 31},
                                    {15, 64, 64},
                                    {70, 70, 600}}) {
        expect_matmul_is_right<TypeParam>(packed_shape(m, n, k, transpose_a, transpose_b));
      }
    }
  }
}

TYPED_TEST(Matmul, DoesNotTouchThePaddingBetweenRows) {
  expect_matmul_is_right<TypeParam>(packed_shape(33, 31, 40, false, true, 1, 5));
  expect_matmul_is_right<TypeParam>(packed_shape(33, 31, 40, true, false, 1, 5));
}

TYPED_TEST(Matmul, MultipliesEachMatrixOfABatch) {
  expect_matmul_is_right<TypeParam>(packed_shape(5, 9, 33, false, false, 7));
  expect_matmul_is_right<TypeParam>(packed_shape(130, 140, 130, false, true, 2));
}

TYPED_TEST(Matmul, ToFloatKeepsSumsInFloat) {
  using Sum = accumulator_t<TypeParam>;
  for (const auto& shape :
       {packed_shape(33, 31, 300, true, false, 1, 5), packed_shape(5, 9, 33, false, true, 3)}) {
    for (const bool accumulate : {false, true}) {
      Operands<TypeParam> o(shape);
      std::vector<Sum> c(o.c.size());
      for (std::size_t i = 0; i < c.size(); ++i) c[i] = static_cast<Sum>(o.c[i]);
      matmul_to_float(OnCpu{}, c.data(), o.a.data(), o.b.data(), shape, accumulate);
      expect_close(c, o.expected(shape, accumulate), roundings_for(shape.k));
    }
  }
}

TYPED_TEST(Matmul, WithoutTermsIsZeroOrLeavesCUnchanged) {
  expect_matmul_is_right<TypeParam>(packed_shape(3, 5, 0, false, false));
}

TYPED_TEST(Matmul, IsCorrectForSeveralBlocksOfColumns) {
  expect_matmul_is_right<TypeParam>(packed_shape(3, 2100, 17, false, false));
}

TYPED_TEST(Matmul, AddsBiasAndAppliesTheActivation) {
  const MatmulShape shape = packed_shape(33, 65, 31, false, true);
  const Operands<TypeParam> o(shape);
  const auto bias = random_values<TypeParam>(shape.n, 4);
  for (const bool with_bias : {false, true}) {
    std::vector<double> before_expected, expected;
    for (int64_t i = 0; i < shape.m * shape.n; ++i) {
      const double x = o.product(shape, 0, i / shape.n, i % shape.n) +
                       (with_bias ? to_double(bias[i % shape.n]) : 0.0);
      before_expected.push_back(x);
      expected.push_back(x * 0.5 * std::erfc(-x / std::sqrt(2.0)));
    }
    std::vector<TypeParam> c(expected.size()), before(expected.size());
    matmul_bias_activation(OnCpu{}, c.data(), before.data(), o.a.data(), o.b.data(),
                           with_bias ? bias.data() : nullptr, shape, Activation::kGelu);
    expect_close(before, before_expected, roundings_for(shape.k));
    expect_close(c, expected, roundings_for(shape.k));
  }
}

TYPED_TEST(Matmul, WritesTheSameResultWithoutStoringTheActivationInput) {
  const MatmulShape shape = packed_shape(9, 33, 31, false, false);
  const Operands<TypeParam> o(shape);
  std::vector<TypeParam> kept(9 * 33), not_kept(9 * 33), before(9 * 33);
  matmul_bias_activation(OnCpu{}, kept.data(), before.data(), o.a.data(), o.b.data(),
                         static_cast<const TypeParam*>(nullptr), shape, Activation::kGeluTanh);
  matmul_bias_activation(OnCpu{}, not_kept.data(), static_cast<TypeParam*>(nullptr), o.a.data(),
                         o.b.data(), static_cast<const TypeParam*>(nullptr), shape,
                         Activation::kGeluTanh);
  expect_identical(kept, not_kept);
}

// The product, computed by `threads` threads.
template <typename T>
std::vector<T> product_by(int threads, const MatmulShape& shape) {
  Operands<T> o(shape);
  set_cpu_threads(threads);
  matmul(OnCpu{}, o.c.data(), o.a.data(), o.b.data(), shape, false);
  set_cpu_threads(1);
  return o.c;
}

TYPED_TEST(Matmul, DoesNotDependOnTheNumberOfThreads) {
  for (const MatmulShape& shape :
       {packed_shape(300, 129, 257, false, true), packed_shape(65, 300, 600, true, false),
        packed_shape(500, 541, 500, false, true), packed_shape(541, 500, 500, true, false),
        packed_shape(31, 33, 64, false, false, 9)}) {
    const auto alone = product_by<TypeParam>(1, shape);
    for (const int threads : {2, 3, 7})
      expect_identical(product_by<TypeParam>(threads, shape), alone);
  }
}

// Large enough for oneDNN, with a remainder after the strips of 64.
TEST(LargeMatmul, DoesNotDependOnTheNumberOfThreads) {
  for (const MatmulShape& shape :
       {packed_shape(577, 512, 512, false, true), packed_shape(65, 64, 32768, true, false),
        packed_shape(591, 499, 517, true, true), packed_shape(71, 79, 30011, false, false)}) {
    const auto alone = product_by<float>(1, shape);
    for (int threads = 2; threads <= 9; ++threads) {
      expect_identical(product_by<float>(threads, shape), alone);
    }
  }
}

TYPED_TEST(Matmul, OfARowDoesNotDependOnOtherRows) {
  for (const bool transpose_b : {false, true}) {
    const MatmulShape all = packed_shape(100, 65, 300, false, transpose_b);
    Operands<TypeParam> o(all);
    matmul(OnCpu{}, o.c.data(), o.a.data(), o.b.data(), all, false);
    for (const int64_t rows : {1, 2, 13, 31}) {
      MatmulShape some = all;
      some.m = rows;
      std::vector<TypeParam> c(rows * all.n);
      matmul(OnCpu{}, c.data(), o.a.data() + 7 * all.lda, o.b.data(), some, false);
      expect_identical(c, {o.c.begin() + 7 * all.n, o.c.begin() + (7 + rows) * all.n});
    }
  }
}

}  // namespace
}  // namespace ripieno::kernels
