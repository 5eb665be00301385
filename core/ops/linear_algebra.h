// Dense linear algebra on the host: factorizations, eigenvalues and linear systems.
//
// Matrices are the last two axes; the axes before them are a batch. Everything is computed in
// float64 by one thread, whatever the element type, and results have the element type and device of
// the input: a tensor on a GPU is copied to the host and back. All functions throw Error for shapes
// that do not match and for values that are not finite. Gradients treat the input as a general
// matrix, and exist only where a function says so.
#pragma once

#include <cstdint>
#include <memory>

#include "ripieno/core/tensor.h"

namespace ripieno {

// QR factorization: a = q r with k = min(m, n).
//   a: (…, m, n); q: (…, m, k), with orthonormal columns
//   r: (…, k, n), upper triangular with a non-negative diagonal
// Gradient: if m >= n and a has full rank.
struct Qr {
  Tensor q, r;
};
Qr qr(const Tensor& a);

// Cholesky factorization: the lower triangular l with l l^T = a.
//   a, l: (…, n, n)
// Only the symmetric part of a is used. Throws Error if it is not positive definite. Has a
// gradient.
Tensor cholesky(const Tensor& a);

// Singular value decomposition: a = u diag(values) v^T with k = min(m, n).
//   a: (…, m, n); u: (…, m, k); values: (…, k), in descending order; v: (…, n, k)
// In each column of u the element of largest magnitude is positive. Gradient: if all values differ
// and none is zero.
struct Svd {
  Tensor u, values, v;
};
Svd svd(const Tensor& a);

// Eigenvalue decomposition of the symmetric part of a: vectors diag(values) vectors^T.
//   a: (…, n, n); values: (…, n), in ascending order; vectors: (…, n, n), in columns
// In each vector the element of largest magnitude is positive. Gradient: of the values always, of
// the vectors if all values differ. Throws Error if the iteration does not converge.
struct SymmetricEigenvalues {
  Tensor values, vectors;
};
SymmetricEigenvalues symmetric_eigenvalues(const Tensor& a);

// The solution x of a x = b.
//   a: (…, n, n); b, x: (…, n, k)
// Throws Error if a is singular. Has a gradient for both.
Tensor solve(const Tensor& a, const Tensor& b);

// Orthonormalizes the columns of a matrix in place, in plain memory. Keeps its workspace between
// calls. Not thread-safe.
class OrthonormalColumns {
 public:
  OrthonormalColumns();
  ~OrthonormalColumns();
  OrthonormalColumns(OrthonormalColumns&&) noexcept;
  OrthonormalColumns& operator=(OrthonormalColumns&&) noexcept;

  // x: (rows, columns), row-major, on the host; replaced by q of x = q r. A column that depends
  // linearly on the columns before it becomes zero; returns whether there was none. NaN propagates.
  bool operator()(float* x, int64_t rows, int64_t columns);

 private:
  struct Workspace;
  std::unique_ptr<Workspace> workspace_;
};

}  // namespace ripieno
