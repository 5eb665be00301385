#include "ripieno/training/run/validation_sums.h"

#include "ripieno/core/losses/linear_cross_entropy.h"
#include "support/gpu_test.h"

namespace ripieno {
namespace {

class ValidationSumsOnAGpu : public testing::GpuTest {};

TEST_F(ValidationSumsOnAGpu, ReportTargetsOutOfRange) {
  const Device gpu = Device::cuda();
  const auto loss_of = [&](const io::Batch& batch) {
    const Tensor weight = Tensor::zeros({3, 2}, DType::float32, gpu);
    return Measured(linear_cross_entropy(batch.inputs, weight, batch.targets));
  };
  const auto batch_of = [&](int32_t target) {
    return io::Batch{Tensor::zeros({1, 2}, DType::float32, gpu),
                     Tensor::of<int32_t>({1}, {target}).to(gpu), 0, 1};
  };
  ValidationSums sums({});
  sums.add(batch_of(2), loss_of);
  EXPECT_THROW(sums.add(batch_of(3), loss_of), DataError);
}

}  // namespace
}  // namespace ripieno
