// Products by the processor's bfloat16 instructions: they equal products of the same factors in
// float. matmul_test.cpp compares both with sums in double.
#include <cmath>
#include <cstdlib>
#include <limits>

#include "kernels/values.h"
#include "ripieno/kernels/cpu_bfloat16.h"
#include "ripieno/kernels/cpu_threads.h"
#include "ripieno/kernels/matmul.h"

namespace ripieno::kernels {
namespace {

class Bfloat16Matmul : public testing::Test {
 protected:
  void SetUp() override {
    if (!has_bfloat16_instructions()) GTEST_SKIP() << "no bfloat16 instructions";
    use_bfloat16_instructions(true);
  }
  void TearDown() override {
    use_bfloat16_instructions(used_);
    set_cpu_threads(1);
  }

 private:
  bool used_ = uses_bfloat16_instructions();
};

MatmulShape shape_of(int64_t m, int64_t n, int64_t k, bool transpose_a, bool transpose_b) {
  constexpr int64_t kPadding = 3;
  return {.m = m,
          .n = n,
          .k = k,
          .transpose_a = transpose_a,
          .transpose_b = transpose_b,
          .lda = (transpose_a ? m : k) + kPadding,
          .ldb = (transpose_b ? k : n) + kPadding,
          .ldc = n + kPadding};
}

struct Factors {
  std::vector<bfloat16> a, b;

  explicit Factors(const MatmulShape& s)
      : a(random_values<bfloat16>(s.lda * (s.transpose_a ? s.k : s.m), 1)),
        b(random_values<bfloat16>(s.ldb * (s.transpose_b ? s.n : s.k), 2)) {}
};

std::vector<float> widened(const std::vector<bfloat16>& values) {
  std::vector<float> out;
  for (const bfloat16 value : values) out.push_back(static_cast<float>(value));
  return out;
}

// The product of bfloat16 factors, added to values in float.
std::vector<float> product(const Factors& f, const MatmulShape& s, bool accumulate) {
  std::vector<float> c = random_values<float>(s.ldc * s.m, 3);
  matmul_to_float(OnCpu{}, c.data(), f.a.data(), f.b.data(), s, accumulate);
  return c;
}

// The same, with factors that were converted to float before.
std::vector<float> product_in_float(const Factors& f, const MatmulShape& s, bool accumulate) {
  std::vector<float> c = random_values<float>(s.ldc * s.m, 3);
  const auto a = widened(f.a), b = widened(f.b);
  matmul(OnCpu{}, c.data(), a.data(), b.data(), s, accumulate);
  return c;
}

constexpr int64_t kSizes[] = {1, 31, 32, 33, 63, 64, 65, 1001};

TEST_F(Bfloat16Matmul, EqualsTheProductInFloat) {
  for (const int64_t size : kSizes) {
    for (const auto& [m, n, k] :
         {std::array<int64_t, 3>{size, 33, 63}, {65, size, 33}, {31, 65, size}, {1, 1, size}}) {
      for (const int transposed : {0, 1, 2, 3}) {
        const MatmulShape s = shape_of(m, n, k, transposed & 1, transposed & 2);
        const Factors f(s);
        SCOPED_TRACE(testing::Message() << m << " x " << n << " x " << k << ", " << transposed);
        expect_identical(product(f, s, false), product_in_float(f, s, false));
        expect_identical(product(f, s, true), product_in_float(f, s, true));
      }
    }
  }
}

TEST_F(Bfloat16Matmul, EqualsTheProductInFloatWhereBIsPackedInSeveralParts) {
  for (const auto& [m, n, k] :
       {std::array<int64_t, 3>{3, 2100, 17}, {2, 1100, 9001}, {60, 530, 257}}) {
    const MatmulShape s = shape_of(m, n, k, false, true);
    const Factors f(s);
    expect_identical(product(f, s, true), product_in_float(f, s, true));
  }
}

TEST_F(Bfloat16Matmul, RoundsTheSumsOnce) {
  const MatmulShape s = shape_of(65, 63, 1001, true, false);
  const Factors f(s);
  std::vector<bfloat16> c(s.ldc * s.m), expected = c;
  const auto sums = product_in_float(f, s, false);
  for (int64_t i = 0; i < s.m * s.ldc; ++i) {
    if (i % s.ldc < s.n) expected[i] = bfloat16(sums[i]);
  }
  matmul(OnCpu{}, c.data(), f.a.data(), f.b.data(), s, false);
  expect_identical(c, expected);
}

TEST_F(Bfloat16Matmul, DoesNotDependOnTheNumberOfThreads) {
  for (const auto& [m, n, k] :
       {std::array<int64_t, 3>{577, 512, 512}, {65, 300, 1001}, {10, 1001, 700}, {1001, 1, 65}}) {
    const MatmulShape s = shape_of(m, n, k, true, false);
    const Factors f(s);
    const auto alone = product(f, s, false);
    for (const int threads : {2, 3, 7}) {
      set_cpu_threads(threads);
      expect_identical(product(f, s, false), alone);
    }
    set_cpu_threads(1);
  }
}

TEST_F(Bfloat16Matmul, PropagatesNanAndInfinity) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const MatmulShape s = shape_of(20, 40, 33, false, true);
  Factors f(s);
  f.a[2 * s.lda + 32] = bfloat16(kInfinity);
  f.a[3 * s.lda + 5] = bfloat16(std::nanf(""));
  f.b[7 * s.ldb + 31] = bfloat16(-kInfinity);
  const auto c = product(f, s, false), expected = product_in_float(f, s, false);
  for (int64_t i = 0; i < s.m * s.ldc; ++i) {
    if (i % s.ldc >= s.n) continue;
    EXPECT_TRUE(c[i] == expected[i] || (std::isnan(c[i]) && std::isnan(expected[i])))
        << "element " << i << ": " << c[i] << ", expected " << expected[i];
  }
  EXPECT_TRUE(std::isinf(c[2 * s.ldc])) << c[2 * s.ldc];
  EXPECT_TRUE(std::isnan(c[3 * s.ldc]));
  EXPECT_TRUE(std::isinf(c[7]));
}

TEST_F(Bfloat16Matmul, TakesNumbersBelowTheSmallestNormalOneAsZero) {
  const MatmulShape s{.m = 1, .n = 1, .k = 1, .lda = 1, .ldb = 1, .ldc = 1};
  for (const auto& [left, right] : {std::pair{0x1p-127f, 2.0f}, {0x1p-70f, 0x1p-70f}}) {
    const bfloat16 a(left), b(right);
    float c = 1;
    matmul_to_float(OnCpu{}, &c, &a, &b, s, false);
    EXPECT_EQ(c, 0.0f);
    use_bfloat16_instructions(false);
    matmul_to_float(OnCpu{}, &c, &a, &b, s, false);
    EXPECT_EQ(c, left * right);
    use_bfloat16_instructions(true);
  }
}

TEST_F(Bfloat16Matmul, CanBeDisabled) {
  use_bfloat16_instructions(false);
  EXPECT_FALSE(uses_bfloat16_instructions());
  EXPECT_TRUE(has_bfloat16_instructions());
}

TEST(Bfloat16Instructions, AreUsedUnlessTheEnvironmentDisablesThem) {
  const char* const value = std::getenv("RIPIENO_CPU_BFLOAT16");
  const bool is_disabled = value != nullptr && std::string(value) == "0";
  EXPECT_EQ(uses_bfloat16_instructions(), has_bfloat16_instructions() && !is_disabled);
}

TEST(Bfloat16Instructions, AreNotUsedWhereTheyDoNotExist) {
  if (has_bfloat16_instructions()) GTEST_SKIP() << "this processor has them";
  use_bfloat16_instructions(true);
  EXPECT_FALSE(uses_bfloat16_instructions());
}

}  // namespace
}  // namespace ripieno::kernels
