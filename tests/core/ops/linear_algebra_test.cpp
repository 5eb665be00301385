// Tests factorizations by their definitions, their gradients by finite differences, and our matrix
// products by Eigen's.
#include "ripieno/core/ops/linear_algebra.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <Eigen/Dense>
#include <cmath>
#include <limits>
#include <vector>

#include "ripieno/core/autograd.h"
#include "ripieno/core/ops/arithmetic.h"
#include "ripieno/core/ops/gradient_check.h"
#include "ripieno/core/ops/matmul.h"
#include "ripieno/core/ops/reduce.h"
#include "ripieno/core/random.h"

namespace ripieno {
namespace {

using ::testing::HasSubstr;
using ::testing::Property;
using ::testing::Throws;

constexpr double kTolerance = 1e-6;

Tensor random(const Shape& shape, uint64_t seed = 1) {
  Tensor x(shape, DType::float64);
  fill_uniform(x, -1.0, 1.0, {.seed = seed});
  return x;
}

Tensor transposed(const Tensor& x) { return x.transpose(-1, -2); }

Tensor identity(int64_t size) {
  Tensor x = Tensor::zeros({size, size}, DType::float64);
  for (int64_t i = 0; i < size; ++i) x.data<double>()[i * size + i] = 1;
  return x;
}

// (…, k) -> (…, k, k) with the vector on the diagonal.
Tensor diagonal(const Tensor& values) {
  return values.reshape({values.elements(), 1}) * identity(values.elements());
}

// A symmetric matrix with eigenvalues of at least 1.
Tensor positive_definite(const Tensor& x) {
  return matmul(x, transposed(x)) + identity(x.size(-2));
}

void expect_near(const Tensor& a, const Tensor& b, double tolerance = 1e-12) {
  ASSERT_EQ(a.shape(), b.shape());
  const auto left = a.to_vector<double>(), right = b.to_vector<double>();
  for (std::size_t i = 0; i < left.size(); ++i) ASSERT_NEAR(left[i], right[i], tolerance) << i;
}

TEST(LinearAlgebra, QrGivesOrthonormalColumnsAndATriangle) {
  for (const Shape& shape : {Shape{5, 3}, Shape{3, 5}, Shape{1, 1}, Shape{31, 33}}) {
    const Tensor a = random(shape);
    const Qr factors = qr(a);
    expect_near(matmul(factors.q, factors.r), a);
    expect_near(matmul(transposed(factors.q), factors.q), identity(factors.q.size(-1)));
    const auto r = factors.r.to_vector<double>();
    for (int64_t i = 0; i < factors.r.size(0); ++i) {
      for (int64_t j = 0; j < i; ++j) EXPECT_EQ(r[i * factors.r.size(1) + j], 0.0);
      EXPECT_GE(r[i * factors.r.size(1) + i], 0.0);
    }
  }
}

TEST(LinearAlgebra, CholeskyOfASmallMatrixByHand) {
  const Tensor a = Tensor::of<double>({2, 2}, {4, 2, 2, 10});
  EXPECT_EQ(cholesky(a).to_vector<double>(), (std::vector<double>{2, 0, 1, 3}));
}

TEST(LinearAlgebra, SvdReconstructsTheMatrix) {
  for (const Shape& shape : {Shape{6, 4}, Shape{4, 6}, Shape{33, 31}}) {
    const Tensor a = random(shape, 2);
    const Svd factors = svd(a);
    expect_near(matmul(matmul(factors.u, diagonal(factors.values)), transposed(factors.v)), a);
    expect_near(matmul(transposed(factors.v), factors.v), identity(factors.v.size(-1)));
    const auto values = factors.values.to_vector<double>();
    EXPECT_TRUE(std::is_sorted(values.rbegin(), values.rend()));
  }
}

TEST(LinearAlgebra, SymmetricEigenvaluesReconstructTheMatrix) {
  const Tensor a = positive_definite(random({7, 7}, 3));
  const SymmetricEigenvalues factors = symmetric_eigenvalues(a);
  const Tensor& v = factors.vectors;
  expect_near(matmul(matmul(v, diagonal(factors.values)), transposed(v)), a);
  const auto values = factors.values.to_vector<double>();
  EXPECT_TRUE(std::is_sorted(values.begin(), values.end()));
}

TEST(LinearAlgebra, SolveSolvesEachMatrixOfABatch) {
  const Tensor a = random({3, 5, 5}, 4), b = random({3, 5, 2}, 5);
  expect_near(matmul(a, solve(a, b)), b, 1e-10);
}

TEST(LinearAlgebra, ResultsHaveTheTypeOfTheInput) {
  const Tensor a = random({4, 3}, 6).to(DType::float32);
  EXPECT_EQ(qr(a).q.dtype(), DType::float32);
  EXPECT_EQ(svd(a.to(DType::bfloat16)).values.dtype(), DType::bfloat16);
}

TEST(LinearAlgebra, GradientsOfQr) {
  const auto function = [](const std::vector<Tensor>& in) {
    const Qr factors = qr(in[0]);
    return std::vector{factors.q, factors.r};
  };
  EXPECT_LT(gradient_check(function, {random({2, 5, 3}, 7)}), kTolerance);
  EXPECT_LT(gradient_check(function, {random({4, 4}, 8)}), kTolerance);
}

TEST(LinearAlgebra, GradientsOfCholesky) {
  const auto function = [](const std::vector<Tensor>& in) { return cholesky(in[0]); };
  EXPECT_LT(gradient_check(function, {positive_definite(random({4, 4}, 9))}), kTolerance);
}

TEST(LinearAlgebra, GradientsOfSvd) {
  const auto function = [](const std::vector<Tensor>& in) {
    const Svd factors = svd(in[0]);
    return std::vector{factors.u, factors.values, factors.v};
  };
  EXPECT_LT(gradient_check(function, {random({5, 3}, 10)}), kTolerance);
  EXPECT_LT(gradient_check(function, {random({3, 5}, 11)}), kTolerance);
}

TEST(LinearAlgebra, GradientsOfSymmetricEigenvalues) {
  const auto function = [](const std::vector<Tensor>& in) {
    const SymmetricEigenvalues factors = symmetric_eigenvalues(in[0]);
    return std::vector{factors.values, factors.vectors};
  };
  EXPECT_LT(gradient_check(function, {positive_definite(random({4, 4}, 12))}), kTolerance);
}

TEST(LinearAlgebra, GradientsOfSolve) {
  const Tensor a = positive_definite(random({4, 4}, 13)), b = random({4, 2}, 14);
  const auto of_both = [](const std::vector<Tensor>& in) { return solve(in[0], in[1]); };
  EXPECT_LT(gradient_check(of_both, {a.clone(), b.clone()}), kTolerance);
  const auto of_a = [&](const std::vector<Tensor>& in) { return solve(in[0], b); };
  EXPECT_LT(gradient_check(of_a, {a.clone()}), kTolerance);
  const auto of_b = [&](const std::vector<Tensor>& in) { return solve(a, in[0]); };
  EXPECT_LT(gradient_check(of_b, {b.clone()}), kTolerance);
}

auto fails_with(const char* text) { return Throws<Error>(Property(&Error::what, HasSubstr(text))); }

TEST(LinearAlgebra, RejectsInputsWithoutASolution) {
  const Tensor indefinite = Tensor::of<double>({2, 2}, {1, 2, 2, 1});
  EXPECT_THAT([&] { cholesky(indefinite); }, fails_with("matrix 0 of 1 is not positive definite"));
  EXPECT_THAT(
      [] {
        solve(Tensor::zeros({2, 2}, DType::float64), random({2, 1}));
      },
      fails_with("solve: matrix 0 of 1 is singular"));
  EXPECT_THAT([] { cholesky(random({2, 3})); }, fails_with("square matrices, got (2, 3)"));
  EXPECT_THAT([] { svd(Tensor::zeros({2, 2}, DType::int64)); }, fails_with("floating-point"));
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_THAT([&] { svd(Tensor::of<double>({1, 2}, {1, nan})); }, fails_with("all must be finite"));
  EXPECT_THAT([] { solve(random({2, 2}), random({3, 1})); }, fails_with("they must match"));
}

TEST(LinearAlgebra, QrOfAWideMatrixHasNoGradient) {
  Tensor a = random({2, 3});
  a.set_requires_gradient();
  EXPECT_THAT([&] { sum(qr(a).r).backward(); }, fails_with("at least as many rows as columns"));
}

TEST(LinearAlgebra, MatrixProductsAgreeWithEigen) {
  using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  for (const auto& [m, k, n] : {std::tuple{1, 1, 1}, {31, 33, 32}, {65, 129, 7}, {200, 100, 300}}) {
    const Tensor a = random({m, k}, 15), b = random({k, n}, 16);
    const Matrix expected = Eigen::Map<const Matrix>(a.data<double>(), m, k) *
                            Eigen::Map<const Matrix>(b.data<double>(), k, n);
    const auto got = matmul(a, b).to_vector<double>();
    for (std::size_t i = 0; i < got.size(); ++i) ASSERT_NEAR(got[i], expected.data()[i], 1e-12);
  }
}

TEST(OrthonormalColumns, EqualQOfTheQrFactorization) {
  std::vector<float> x;
  for (int i = 0; i < 31 * 3; ++i) x.push_back(std::sin(static_cast<float>(i * i)));
  const Tensor q = qr(Tensor::of({31, 3}, x)).q;
  OrthonormalColumns make_orthonormal;
  EXPECT_TRUE(make_orthonormal(x.data(), 31, 3));
  const auto expected = q.to_vector<float>();
  for (std::size_t i = 0; i < x.size(); ++i) EXPECT_NEAR(x[i], expected[i], 1e-6);
}

TEST(OrthonormalColumns, SetADependentColumnToZero) {
  std::vector<float> x = {3, 6, 0, 4, 8, 1};  // (2, 3); the second is twice the first
  EXPECT_FALSE(OrthonormalColumns()(x.data(), 2, 3));
  EXPECT_FLOAT_EQ(x[0], 0.6f);
  EXPECT_EQ(x[1], 0.0f);
  EXPECT_EQ(x[4], 0.0f);
}

TEST(OrthonormalColumns, PropagateNan) {
  std::vector<float> x = {std::numeric_limits<float>::quiet_NaN(), 1, 2, 3};
  OrthonormalColumns()(x.data(), 2, 2);
  EXPECT_TRUE(std::isnan(x[0]) && std::isnan(x[3]));
}

}  // namespace
}  // namespace ripieno
