#include "ripieno/core/loss.h"

#include <fmt/format.h>

#include "ripieno/core/device_faults.h"
#include "ripieno/core/operands.h"

namespace ripieno {

Loss Loss::over(const Tensor& sum, int64_t rows) {
  require_defined("Loss::over", {{"sum", sum}});
  if (sum.elements() != 1 || !is_floating_point(sum.dtype())) {
    fail("Loss::over: sum is " + describe(sum) + "; it must be one floating-point number");
  }
  if (rows < 0) fail(fmt::format("Loss::over: rows is {}; it must be at least 0", rows));
  const DType dtype = sum.dtype() == DType::float64 ? DType::float64 : DType::float32;
  return {sum.reshape({}).to(dtype),
          Tensor::full({}, static_cast<double>(rows), dtype, sum.device())};
}

double Loss::mean() const {
  require_defined("loss", {{"sum", sum}, {"count", count}});
  require_no_fault(sum.device());
  return sum.item() / count.item();
}

}  // namespace ripieno
