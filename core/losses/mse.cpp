#include "ripieno/core/losses/mse.h"

#include "ripieno/core/operands.h"
#include "ripieno/core/ops/arithmetic.h"
#include "ripieno/core/ops/reduce.h"

namespace ripieno {

Loss mse(const Tensor& prediction, const Tensor& target) {
  const Operands operands = {{"prediction", prediction}, {"target", target}};
  require_defined("mse", operands);
  require_one_device("mse", operands);
  if (prediction.shape() != target.shape()) {
    fail("mse: prediction is " + to_string(prediction.shape()) + ", target is " +
         to_string(target.shape()) + "; the shapes must match");
  }
  for (const auto& [name, tensor] : operands) {
    if (!is_floating_point(tensor.dtype())) {
      fail("mse: " + std::string(name) + " is " + std::string(name_of(tensor.dtype())) +
           "; it must be of a floating-point type");
    }
  }
  const DType dtype = prediction.dtype() == DType::float64 ? DType::float64 : DType::float32;
  return Loss::over(sum(square(prediction.to(dtype) - target.to(dtype))), prediction.elements());
}

}  // namespace ripieno
