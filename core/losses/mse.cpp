#include "ripieno/core/losses/mse.h"

#include "ripieno/core/losses/pointwise_sum.h"

namespace ripieno {

Loss mse_loss(const Tensor& prediction, const Tensor& target, const PointwiseOptions& options) {
  return pointwise_sum(
      prediction, target,
      {.name = "mse_loss", .loss = kernels::PointwiseLoss::kSquared, .weights = options.weights});
}

Loss mse(const Tensor& prediction, const Tensor& target) {
  return pointwise_sum(prediction, target,
                       {.name = "mse", .loss = kernels::PointwiseLoss::kSquared});
}

}  // namespace ripieno
