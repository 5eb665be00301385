#include "ripieno/core/ops/orthogonal.h"

#include <fmt/format.h>

#include <algorithm>

#include "ripieno/core/autograd.h"
#include "ripieno/core/ops/arithmetic.h"
#include "ripieno/core/ops/linear_algebra.h"

namespace ripieno {

void fill_orthogonal(const Tensor& x, double gain, const kernels::RandomKey& key) {
  if (!x.defined() || !is_floating_point(x.dtype()) || x.rank() < 2) {
    fail(fmt::format(
        "fill_orthogonal: requires a floating-point tensor with at least two axes, got {}",
        describe(x)));
  }
  if (x.elements() == 0) return;
  const NoGrad no_grad;
  const int64_t rows = x.size(0), columns = x.elements() / rows;
  const Tensor tall({std::max(rows, columns), std::min(rows, columns)}, DType::float64);
  fill_normal(tall, 0.0, 1.0, key);
  const Tensor q = qr(tall).q * gain;
  Tensor(x).copy_from((rows < columns ? q.transpose(0, 1) : q).reshape(x.shape()));
}

}  // namespace ripieno
