// Dense linear algebra on the host: factorizations, eigenvalues and linear systems.
//
// Matrices are the last two axes; the axes before them are a batch. Everything is computed in
// float64 on one thread, whatever the element type, and the results have the type and device of the
// input: a tensor on a GPU is copied to the host and back. All throw Error for shapes that do not
// fit and for values that are not finite. Gradients are those of matrices without special structure
// in the input, and are defined only where each function says so.
#pragma once

#include <cstdint>
#include <memory>

#include "ripieno/core/tensor.h"

namespace ripieno {

// a = q r with k = min(m, n): a (…, m, n), q (…, m, k) with orthonormal columns, r (…, k, n) upper
// triangular with a diagonal that is not negative. Gradient: where m >= n and a has full rank.
struct Qr {
  Tensor q, r;
};
Qr qr(const Tensor& a);

// The lower triangular l with l l^T = a, for a (…, n, n) symmetric and positive definite, of which
// the symmetric part is taken. Throws Error where it is not positive definite.
Tensor cholesky(const Tensor& a);

// a = u diag(values) v^T with k = min(m, n): a (…, m, n), u (…, m, k), values (…, k) in descending
// order, v (…, n, k). The element of each column of u that is largest in magnitude is positive.
// Gradient: where all values differ and none is zero.
struct Svd {
  Tensor u, values, v;
};
Svd svd(const Tensor& a);

// a = vectors diag(values) vectors^T for the symmetric part of a (…, n, n): values (…, n) in
// ascending order, vectors (…, n, n) in columns, whose element of largest magnitude is positive.
// Gradient: of the values always, of the vectors where all values differ.
struct SymmetricEigenvalues {
  Tensor values, vectors;
};
SymmetricEigenvalues symmetric_eigenvalues(const Tensor& a);

// x with a x = b: a (…, n, n), b and x (…, n, k). Throws Error where a is singular.
Tensor solve(const Tensor& a, const Tensor& b);

// Makes columns orthonormal in place, on plain memory, and keeps its workspace from call to call.
// For one thread at a time.
class OrthonormalColumns {
 public:
  OrthonormalColumns();
  ~OrthonormalColumns();
  OrthonormalColumns(OrthonormalColumns&&) noexcept;
  OrthonormalColumns& operator=(OrthonormalColumns&&) noexcept;

  // x: (rows, columns), row-major, on the host. Columns become those of q in x = q r. A column that
  // depends on those before it becomes zero; returns whether none did. A NaN spreads.
  bool operator()(float* x, int64_t rows, int64_t columns);

 private:
  struct Workspace;
  std::unique_ptr<Workspace> workspace_;
};

}  // namespace ripieno
