#include "ripieno/core/ops/matmul.h"

#include "ripieno/core/autograd.h"
#include "ripieno/core/operands.h"
#include "ripieno/core/place.h"
#include "ripieno/kernels/matmul.h"

namespace ripieno {
namespace {

using autograd::Gradients;
using autograd::Saved;
using kernels::MatmulShape;

// A batch of matrices, read in place: row-major, or transposed.
struct Matrices {
  Tensor tensor;
  bool transposed = false;
  int64_t leading = 0;  // elements from one stored row to the next
};

bool rows_are_separate(int64_t step, int64_t inner_size, int64_t inner_step) {
  return (inner_step == 1 || inner_size == 1) && step >= inner_size;
}

// Whether the batch axes are contiguous, for matrices of `matrix` elements each.
bool is_batch_dense(const Tensor& x, int64_t matrix) {
  for (int axis = x.rank() - 3; axis >= 0; --axis) {
    if (x.shape()[axis] != 1 && x.strides()[axis] != matrix) return false;
    matrix *= x.shape()[axis];
  }
  return true;
}

Matrices as_matrices(const Tensor& x) {
  const int64_t rows = x.size(-2), cols = x.size(-1);
  const int64_t row_step = x.strides()[x.rank() - 2], col_step = x.strides()[x.rank() - 1];
  if (is_batch_dense(x, rows * cols)) {
    if (row_step == cols && (col_step == 1 || cols == 1)) return {x, false, cols};
    if (col_step == rows && (row_step == 1 || rows == 1)) return {x, true, rows};
  }
  if (x.rank() == 2) {
    if (rows_are_separate(row_step, cols, col_step)) return {x, false, row_step};
    if (rows_are_separate(col_step, rows, row_step)) return {x, true, col_step};
  }
  return {x.dense(), false, cols};
}

int64_t batch_of(const Tensor& x) {
  int64_t batch = 1;
  for (int axis = 0; axis < x.rank() - 2; ++axis) batch *= x.shape()[axis];
  return batch;
}

void check(const Tensor& a, const Tensor& b) {
  require_defined("matmul", {{"a", a}, {"b", b}});
  const auto shapes = [&] { return to_string(a.shape()) + " x " + to_string(b.shape()); };
  if (a.rank() < 2 || b.rank() < 2) fail("matmul: requires matrices, got " + shapes());
  require_one_type("matmul", {{"a", a}, {"b", b}});
  if (a.size(-1) != b.size(-2)) fail("matmul: inner sizes differ, " + shapes());
  bool same_batch = a.rank() == b.rank();
  for (int axis = 0; same_batch && axis < a.rank() - 2; ++axis) {
    same_batch = a.shape()[axis] == b.shape()[axis];
  }
  if (b.rank() != 2 && !same_batch) fail("matmul: batch axes differ, " + shapes());
}

// out = a b, or out += a b if `accumulate`. out: dense.
void multiply(const Tensor& out, const Tensor& a_, const Tensor& b_, bool accumulate) {
  const Matrices a = as_matrices(a_), b = as_matrices(b_);
  MatmulShape shape{.m = a_.size(-2),
                    .n = b_.size(-1),
                    .k = a_.size(-1),
                    .transpose_a = a.transposed,
                    .transpose_b = b.transposed,
                    .lda = a.leading,
                    .ldb = b.leading,
                    .ldc = b_.size(-1)};
  shape.batch = batch_of(a_);
  shape.stride_a = shape.m * shape.k;
  shape.stride_b = b_.rank() == 2 ? 0 : shape.k * shape.n;
  shape.stride_c = shape.m * shape.n;
  if (out.elements() == 0) return;
  const Work work{"matmul", {&out, &a_, &b_}, 2 * shape.batch * shape.m * shape.n * shape.k};
  run(work, out, [&]<typename T>(auto on) {
    kernels::matmul(on, out.data<T>(), a.tensor.data<T>(), b.tensor.data<T>(), shape, accumulate);
  });
}

void compute_product(Gradients& gradients, int input, const Tensor& a, const Tensor& b) {
  const auto [target, accumulate] = gradients.destination(input);
  multiply(target, a, b, accumulate);
}

}  // namespace

Tensor matmul(const Tensor& a, const Tensor& b) {
  check(a, b);
  if (a.rank() > 2 && b.rank() == 2) {
    Shape shape = a.shape();
    shape.back() = b.size(-1);
    return matmul(a.reshape({batch_of(a) * a.size(-2), a.size(-1)}), b).reshape(shape);
  }
  Shape shape = a.shape();
  shape.back() = b.size(-1);
  Tensor result(shape, a.dtype(), a.device());
  multiply(result, a, b, false);
  return autograd::record(
      "matmul", result, {&a, &b},
      [a = Saved(a), b = Saved(b)](const Tensor& gradient, Gradients& gradients) {
        if (gradients.wanted(0)) {
          compute_product(gradients, 0, gradient, b->transpose(-1, -2));
        }
        if (gradients.wanted(1)) {
          compute_product(gradients, 1, a->transpose(-1, -2), gradient);
        }
      });
}

}  // namespace ripieno
