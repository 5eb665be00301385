#include "ripieno/core/ops/linear_algebra.h"

// Results must not depend on the number of threads.
#define EIGEN_DONT_PARALLELIZE
#include <fmt/format.h>

#include <Eigen/Cholesky>
#include <Eigen/Eigenvalues>
#include <Eigen/LU>
#include <Eigen/QR>
#include <Eigen/SVD>
#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <span>
#include <utility>
#include <vector>

#include "ripieno/core/autograd.h"

namespace ripieno {
namespace {

using autograd::Saved;
using Matrix = Eigen::MatrixXd;  // by columns, the only order that Eigen is instantiated for
using Vector = Eigen::VectorXd;
using View = Eigen::Map<Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>>;

// ---- Tensors as batches of matrices

// A copy of `x` as float64 on the host, in memory that is not shared.
Tensor host_copy(const Tensor& x) {
  const Tensor copy = x.detach().to(Device::cpu()).to(DType::float64).dense();
  return copy.is_exclusive() ? copy : copy.clone();
}

Tensor like(const Tensor& model, const Tensor& numbers) {
  return numbers.to(model.dtype()).to(model.device());
}

int64_t batch_of(const Tensor& x) {
  int64_t batch = 1;
  for (int axis = 0; axis + 2 < x.rank(); ++axis) batch *= x.size(axis);
  return batch;
}

View matrix(const Tensor& x, int64_t index) {
  const int64_t rows = x.size(-2), cols = x.size(-1);
  return View(x.data<double>() + index * rows * cols, rows, cols);
}

// The index-th row of a tensor (…, k) as a vector.
Eigen::Map<Vector> vector(const Tensor& x, int64_t index) {
  return Eigen::Map<Vector>(x.data<double>() + index * x.size(-1), x.size(-1));
}

// The batch axes of `x`, followed by `tail`.
Shape shape_after_batch(const Tensor& x, std::initializer_list<int64_t> tail) {
  Shape shape;
  for (int axis = 0; axis + 2 < x.rank(); ++axis) shape.push_back(x.size(axis));
  for (const int64_t size : tail) shape.push_back(size);
  return shape;
}

Tensor host_zeros(const Shape& shape) { return Tensor::zeros(shape, DType::float64); }

void require_matrices(const char* operation, const Tensor& x) {
  if (!x.defined()) fail(fmt::format("{}: the tensor is undefined", operation));
  if (!is_floating_point(x.dtype()) || x.rank() < 2) {
    fail(fmt::format("{}: requires matrices (…, rows, columns) of a floating-point type, got {} {}",
                     operation, name_of(x.dtype()), to_string(x.shape())));
  }
}

void require_square(const char* operation, const Tensor& x) {
  require_matrices(operation, x);
  if (x.size(-1) != x.size(-2)) {
    fail(fmt::format("{}: requires square matrices, got {}", operation, to_string(x.shape())));
  }
}

void require_finite(const char* operation, const Tensor& host) {
  const double* values = host.data<double>();
  for (int64_t i = 0; i < host.elements(); ++i) {
    if (!std::isfinite(values[i])) {
      fail(fmt::format("{}: element {} of {} is {}; all must be finite", operation, i,
                       to_string(host.shape()), values[i]));
    }
  }
}

Tensor finite_copy(const char* operation, const Tensor& x) {
  Tensor host = host_copy(x);
  require_finite(operation, host);
  return host;
}

// The gradient of an output; zeros if the output was not used.
Tensor host_gradient(const Tensor& gradient, const Tensor& output) {
  return gradient.defined() ? host_copy(gradient) : host_zeros(output.shape());
}

// ---- Parts of the formulas

// The sign of each column that makes its element of largest magnitude positive.
Vector signs_of(const Matrix& columns) {
  Vector signs(columns.cols());
  for (Eigen::Index j = 0; j < columns.cols(); ++j) {
    Eigen::Index largest = 0;
    columns.col(j).cwiseAbs().maxCoeff(&largest);
    signs[j] = columns(largest, j) < 0 ? -1.0 : 1.0;
  }
  return signs;
}

Matrix symmetric_part(const Matrix& x) { return 0.5 * (x + x.transpose()); }

// The lower triangle, with its mirror image above.
Matrix lower_mirrored(const Matrix& x) {
  Matrix lower = x.triangularView<Eigen::StrictlyLower>();
  Matrix result = lower + lower.transpose();
  result.diagonal() = x.diagonal();
  return result;
}

// ---- Gradients of one matrix: from those of a decomposition's factors to that of its input

// QR, m >= n (Walter and Lehmann, 2018, arXiv 1001.1654).
Matrix qr_gradient(const Matrix& q, const Matrix& r, const Matrix& dq, const Matrix& dr) {
  const Matrix m = r * dr.transpose() - dq.transpose() * q;
  const Matrix right = dq + q * lower_mirrored(m);
  return r.triangularView<Eigen::Upper>().solve(right.transpose()).transpose();
}

// Cholesky (Murray, 2016, arXiv 1602.07527).
Matrix cholesky_gradient(const Matrix& l, const Matrix& dl) {
  Matrix p = (l.transpose() * dl).triangularView<Eigen::Lower>();
  p.diagonal() *= 0.5;
  const auto lower = l.triangularView<Eigen::Lower>();
  const Matrix left = lower.transpose().solve(p);                                 // l^-T p
  const Matrix s = lower.transpose().solve(left.transpose().eval()).transpose();  // l^-T p l^-1
  return symmetric_part(s);
}

// Symmetric eigenvalues (Giles, 2008). Pairs of equal eigenvalues contribute nothing for the
// vectors.
Matrix eigen_gradient(const Vector& values, const Matrix& vectors, const Vector& dvalues,
                      const Matrix& dvectors) {
  Matrix inner = vectors.transpose() * dvectors;
  for (Eigen::Index i = 0; i < inner.rows(); ++i) {
    for (Eigen::Index j = 0; j < inner.cols(); ++j) {
      const double gap = values[j] - values[i];
      inner(i, j) = i == j ? dvalues[i] : gap == 0 ? 0.0 : inner(i, j) / gap;
    }
  }
  return symmetric_part(vectors * inner * vectors.transpose());
}

// The singular value decomposition (Townsend, 2016).
Matrix svd_gradient(const Matrix& u, const Vector& s, const Matrix& v, const Matrix& du,
                    const Vector& ds, const Matrix& dv) {
  const Matrix of_u = u.transpose() * du, of_v = v.transpose() * dv;
  Matrix inner(s.size(), s.size());
  for (Eigen::Index i = 0; i < s.size(); ++i) {
    for (Eigen::Index j = 0; j < s.size(); ++j) {
      const double gap = s[j] * s[j] - s[i] * s[i];
      const double skew_u = of_u(i, j) - of_u(j, i), skew_v = of_v(i, j) - of_v(j, i);
      inner(i, j) = i == j ? ds[i] : gap == 0 ? 0.0 : (skew_u * s[j] + s[i] * skew_v) / gap;
    }
  }
  const Vector inverse = s.unaryExpr([](double x) { return x == 0 ? 0.0 : 1.0 / x; });
  Matrix result = u * inner * v.transpose();
  result += (du - u * of_u) * inverse.asDiagonal() * v.transpose();
  result += u * inverse.asDiagonal() * (dv - v * of_v).transpose();
  return result;
}

}  // namespace

Qr qr(const Tensor& a) {
  require_matrices("qr", a);
  const Tensor host = finite_copy("qr", a);
  const int64_t m = a.size(-2), n = a.size(-1), k = std::min(m, n);
  const Tensor q = host_zeros(shape_after_batch(a, {m, k}));
  const Tensor r = host_zeros(shape_after_batch(a, {k, n}));
  for (int64_t i = 0; i < batch_of(a) && k > 0; ++i) {
    const Eigen::HouseholderQR<Matrix> factors(matrix(host, i));
    matrix(q, i) = factors.householderQ() * Matrix::Identity(m, k);
    matrix(r, i) = factors.matrixQR().topRows(k).triangularView<Eigen::Upper>();
    for (int64_t j = 0; j < k; ++j) {
      if (matrix(r, i)(j, j) >= 0) continue;
      matrix(q, i).col(j) *= -1;
      matrix(r, i).row(j) *= -1;
    }
  }
  const Qr result{like(a, q), like(a, r)};
  autograd::record("qr", std::vector{result.q, result.r}, std::vector{a},
                   [q = Saved(q), r = Saved(r), a_like = a.detach()](
                       std::span<Tensor> gradients_of, autograd::Gradients& gradients) {
                     if (r->size(-2) != r->size(-1)) {
                       fail("qr: the gradient requires at least as many rows as columns");
                     }
                     const Tensor dq = host_gradient(gradients_of[0], *q);
                     const Tensor dr = host_gradient(gradients_of[1], *r);
                     const Tensor da = host_zeros(q->shape());
                     for (int64_t i = 0; i < batch_of(*q); ++i) {
                       matrix(da, i) =
                           qr_gradient(matrix(*q, i), matrix(*r, i), matrix(dq, i), matrix(dr, i));
                     }
                     gradients.add(0, like(a_like, da));
                   });
  return result;
}

Tensor cholesky(const Tensor& a) {
  require_square("cholesky", a);
  const Tensor l = finite_copy("cholesky", a);
  for (int64_t i = 0; i < batch_of(a); ++i) {
    const Eigen::LLT<Matrix> factor(symmetric_part(matrix(l, i)));
    if (factor.info() != Eigen::Success) {
      fail(fmt::format("cholesky: matrix {} of {} is not positive definite", i, batch_of(a)));
    }
    matrix(l, i) = Matrix(factor.matrixL());
  }
  return autograd::record(
      "cholesky", like(a, l), {&a},
      [l = Saved(l), a_like = a.detach()](const Tensor& gradient, autograd::Gradients& gradients) {
        const Tensor dl = host_copy(gradient), da = host_zeros(l->shape());
        for (int64_t i = 0; i < batch_of(*l); ++i) {
          matrix(da, i) = cholesky_gradient(matrix(*l, i), matrix(dl, i));
        }
        gradients.add(0, like(a_like, da));
      });
}

Svd svd(const Tensor& a) {
  require_matrices("svd", a);
  const Tensor host = finite_copy("svd", a);
  const int64_t m = a.size(-2), n = a.size(-1), k = std::min(m, n);
  const Tensor u = host_zeros(shape_after_batch(a, {m, k}));
  const Tensor s = host_zeros(shape_after_batch(a, {k}));
  const Tensor v = host_zeros(shape_after_batch(a, {n, k}));
  for (int64_t i = 0; i < batch_of(a) && k > 0; ++i) {
    const Eigen::JacobiSVD<Matrix, Eigen::HouseholderQRPreconditioner> factors(
        matrix(host, i), Eigen::ComputeThinU | Eigen::ComputeThinV);
    const Vector signs = signs_of(factors.matrixU());
    matrix(u, i) = factors.matrixU() * signs.asDiagonal();
    matrix(v, i) = factors.matrixV() * signs.asDiagonal();
    vector(s, i) = factors.singularValues();
  }
  const Svd result{like(a, u), like(a, s), like(a, v)};
  autograd::record("svd", std::vector{result.u, result.values, result.v}, std::vector{a},
                   [u = Saved(u), s = Saved(s), v = Saved(v), a_like = a.detach()](
                       std::span<Tensor> gradients_of, autograd::Gradients& gradients) {
                     const Tensor du = host_gradient(gradients_of[0], *u);
                     const Tensor ds = host_gradient(gradients_of[1], *s);
                     const Tensor dv = host_gradient(gradients_of[2], *v);
                     const Tensor da = host_zeros(a_like.shape());
                     for (int64_t i = 0; i < batch_of(*u); ++i) {
                       matrix(da, i) = svd_gradient(matrix(*u, i), vector(*s, i), matrix(*v, i),
                                                    matrix(du, i), vector(ds, i), matrix(dv, i));
                     }
                     gradients.add(0, like(a_like, da));
                   });
  return result;
}

SymmetricEigenvalues symmetric_eigenvalues(const Tensor& a) {
  require_square("symmetric_eigenvalues", a);
  const Tensor host = finite_copy("symmetric_eigenvalues", a);
  const Tensor values = host_zeros(shape_after_batch(a, {a.size(-1)}));
  const Tensor vectors = host_zeros(a.shape());
  for (int64_t i = 0; i < batch_of(a) && a.size(-1) > 0; ++i) {
    const Eigen::SelfAdjointEigenSolver<Matrix> factors(symmetric_part(matrix(host, i)));
    if (factors.info() != Eigen::Success) {
      fail(fmt::format("symmetric_eigenvalues: did not converge for matrix {} of {}", i,
                       batch_of(a)));
    }
    vector(values, i) = factors.eigenvalues();
    matrix(vectors, i) = factors.eigenvectors() * signs_of(factors.eigenvectors()).asDiagonal();
  }
  const SymmetricEigenvalues result{like(a, values), like(a, vectors)};
  autograd::record("symmetric_eigenvalues", std::vector{result.values, result.vectors},
                   std::vector{a},
                   [values = Saved(values), vectors = Saved(vectors), a_like = a.detach()](
                       std::span<Tensor> gradients_of, autograd::Gradients& gradients) {
                     const Tensor dvalues = host_gradient(gradients_of[0], *values);
                     const Tensor dvectors = host_gradient(gradients_of[1], *vectors);
                     const Tensor da = host_zeros(vectors->shape());
                     for (int64_t i = 0; i < batch_of(*vectors); ++i) {
                       matrix(da, i) = eigen_gradient(vector(*values, i), matrix(*vectors, i),
                                                      vector(dvalues, i), matrix(dvectors, i));
                     }
                     gradients.add(0, like(a_like, da));
                   });
  return result;
}

Tensor solve(const Tensor& a, const Tensor& b) {
  require_square("solve", a);
  require_matrices("solve", b);
  if (!(shape_after_batch(b, {}) == shape_after_batch(a, {})) || b.size(-2) != a.size(-1) ||
      a.dtype() != b.dtype() || a.device() != b.device()) {
    fail(
        fmt::format("solve: a is {} {} on {}, b is {} {} on {}; they must match in element type, "
                    "device, batch axes and rows",
                    name_of(a.dtype()), to_string(a.shape()), to_string(a.device()),
                    name_of(b.dtype()), to_string(b.shape()), to_string(b.device())));
  }
  const Tensor left = finite_copy("solve", a), x = finite_copy("solve", b);
  for (int64_t i = 0; i < batch_of(a) && a.size(-1) > 0; ++i) {
    const Eigen::PartialPivLU<Matrix> factors(matrix(left, i));
    if ((factors.matrixLU().diagonal().array() == 0).any()) {
      fail(fmt::format("solve: matrix {} of {} is singular", i, batch_of(a)));
    }
    matrix(x, i) = factors.solve(matrix(x, i)).eval();
  }
  return autograd::record(
      "solve", like(b, x), {&a, &b},
      [left, x = Saved(x), b_like = b.detach()](const Tensor& gradient,
                                                autograd::Gradients& gradients) {
        const Tensor db = host_copy(gradient), da = host_zeros(left.shape());
        for (int64_t i = 0; i < batch_of(left) && left.size(-1) > 0; ++i) {
          matrix(db, i) = matrix(left, i).transpose().partialPivLu().solve(matrix(db, i)).eval();
          matrix(da, i) = -matrix(db, i) * matrix(*x, i).transpose();
        }
        if (gradients.wanted(0)) gradients.add(0, like(b_like, da));
        if (gradients.wanted(1)) gradients.add(1, like(b_like, db));
      });
}

// ---- Orthonormal columns

struct OrthonormalColumns::Workspace {
  Matrix factors;  // Householder vectors below the diagonal, r above
  Matrix q;
  Vector coefficients, row, norms;
  std::vector<Eigen::Index> kept;  // columns that are independent of those before them

  // Factors the kept columns of x. Returns the first (its index in `kept`) that depends linearly on
  // those before it, or -1.
  Eigen::Index factor(const float* x, Eigen::Index rows, Eigen::Index columns);
  void expand(Eigen::Index rows);
};

namespace {

// Relative to the column's norm: anything smaller is rounding, even if the column is a sum of
// floats.
constexpr double kDependent = 1e-9;

}  // namespace

Eigen::Index OrthonormalColumns::Workspace::factor(const float* x, Eigen::Index rows,
                                                   Eigen::Index columns) {
  const auto count = static_cast<Eigen::Index>(kept.size());
  factors.resize(rows, count);
  norms.resize(count);
  coefficients.resize(count);
  row.resize(count);
  for (Eigen::Index j = 0; j < count; ++j) {
    for (Eigen::Index i = 0; i < rows; ++i) {
      factors(i, j) = static_cast<double>(x[i * columns + kept[static_cast<std::size_t>(j)]]);
    }
    norms[j] = factors.col(j).norm();
  }
  for (Eigen::Index j = 0; j < count; ++j) {
    if (j >= rows) return j;
    double beta = 0;
    factors.col(j).tail(rows - j).makeHouseholderInPlace(coefficients[j], beta);
    factors(j, j) = beta;
    if (std::abs(beta) <= kDependent * norms[j]) return j;
    factors.bottomRightCorner(rows - j, count - j - 1)
        .applyHouseholderOnTheLeft(factors.col(j).tail(rows - j - 1), coefficients[j],
                                   row.data() + j + 1);
  }
  return -1;
}

// The columns of q, from the Householder vectors, with signs that make the diagonal of r positive.
void OrthonormalColumns::Workspace::expand(Eigen::Index rows) {
  const Eigen::Index count = factors.cols();
  q.setIdentity(rows, count);
  for (Eigen::Index j = count - 1; j >= 0; --j) {
    q.bottomRightCorner(rows - j, count - j)
        .applyHouseholderOnTheLeft(factors.col(j).tail(rows - j - 1), coefficients[j], row.data());
  }
  for (Eigen::Index j = 0; j < count; ++j) {
    if (factors(j, j) < 0) q.col(j) *= -1;
  }
}

OrthonormalColumns::OrthonormalColumns() : workspace_(std::make_unique<Workspace>()) {}
OrthonormalColumns::~OrthonormalColumns() = default;
OrthonormalColumns::OrthonormalColumns(OrthonormalColumns&&) noexcept = default;
OrthonormalColumns& OrthonormalColumns::operator=(OrthonormalColumns&&) noexcept = default;

bool OrthonormalColumns::operator()(float* x, int64_t rows, int64_t columns) {
  Workspace& work = *workspace_;
  work.kept.clear();
  for (Eigen::Index j = 0; j < columns; ++j) work.kept.push_back(j);
  for (;;) {
    const Eigen::Index dependent = work.factor(x, rows, columns);
    if (dependent < 0) break;
    work.kept.erase(work.kept.begin() + dependent);
  }
  work.expand(rows);
  std::fill(x, x + rows * columns, 0.0f);
  for (std::size_t j = 0; j < work.kept.size(); ++j) {
    for (int64_t i = 0; i < rows; ++i) {
      x[i * columns + work.kept[j]] = static_cast<float>(work.q(i, static_cast<Eigen::Index>(j)));
    }
  }
  return static_cast<int64_t>(work.kept.size()) == columns;
}

}  // namespace ripieno
