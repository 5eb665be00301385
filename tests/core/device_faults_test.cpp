#include "ripieno/core/device_faults.h"

#include <gmock/gmock.h>

#include <cmath>

#include "ripieno/core/losses/linear_cross_entropy.h"
#include "ripieno/core/models/gpt.h"
#include "ripieno/core/ops/embedding.h"
#include "ripieno/core/random.h"
#include "support/gpu_test.h"

namespace ripieno {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;
using ::testing::Truly;

class DeviceFaults : public testing::GpuTest {
 protected:
  const Device gpu_ = Device::cuda();

  Tensor on_gpu(const std::vector<int32_t>& ids) const {
    return Tensor::of({static_cast<int64_t>(ids.size())}, ids).to(gpu_);
  }
  Tensor on_gpu(const Shape& shape, const std::vector<float>& values) const {
    return Tensor::of(shape, values).to(gpu_).set_requires_gradient();
  }
};

TEST_F(DeviceFaults, AnInvalidIdIsARowOfZerosAndAffectsNoOtherRow) {
  const Tensor table = on_gpu({3, 1}, {1, 2, 3});
  const Tensor rows = embedding(table, on_gpu({2, 3, 0, -5}));
  EXPECT_THAT(rows.to_vector<float>(), ElementsAre(3, 0, 1, 0));
  rows.backward(on_gpu({4, 1}, {1, 10, 100, 1000}));
  EXPECT_THAT(table.gradient().to_vector<float>(), ElementsAre(100, 0, 1));
  EXPECT_THROW(require_no_fault(gpu_), DataError);
}

TEST_F(DeviceFaults, AreReportedOnceWithOperationIdPositionAndBound) {
  embedding(on_gpu({3, 1}, {1, 2, 3}), on_gpu({2, 7, 0}));
  EXPECT_THAT([&] { require_no_fault(gpu_); },
              ThrowsMessage<DataError>(
                  "embedding: id 7 at position 1 is outside the table, which has 3 rows"));
  require_no_fault(gpu_);
}

TEST_F(DeviceFaults, AnInvalidTargetIsReportedWithTheLossAndHasNoGradient) {
  const Tensor x = on_gpu({2, 1}, {1, 2}), weight = on_gpu({3, 1}, {1, 2, 3});
  const Loss loss = linear_cross_entropy(x, weight, on_gpu({0, 3}));
  loss.sum.backward();
  EXPECT_THAT([&] { loss.mean(); },
              ThrowsMessage<DataError>("cross_entropy: target 3 at position 1 is not one of the 3 "
                                       "classes"));
  EXPECT_NE(x.gradient().to_vector<float>()[0], 0.0f);
  EXPECT_EQ(x.gradient().to_vector<float>()[1], 0.0f);
  EXPECT_THAT(weight.gradient().to_vector<float>(),
              Each(Truly([](float value) { return std::isfinite(value); })));
}

TEST_F(DeviceFaults, ValidIdsAndIgnoredTargetsAreNotReported) {
  const Tensor table = on_gpu({3, 1}, {1, 2, 3}), targets = on_gpu({kIgnoredTarget, 2, 0});
  linear_cross_entropy(embedding(table, on_gpu({2, 0, 1})), table, targets).mean();
}

TEST_F(DeviceFaults, ATrainingStepIsNotCorruptedByAnInvalidId) {
  random_context() = {.seed = 7};
  nn::Gpt model({.vocab = 33, .layers = 1, .heads = 2, .channels = 16, .context = 8});
  model.to(gpu_);
  Tensor ids = Tensor::zeros({2, 8}, DType::int32);
  ids.data<int32_t>()[5] = 1 << 30;
  model.loss(ids.to(gpu_), ids.to(gpu_)).sum.backward();
  EXPECT_THAT(model.parameters().gradients().flat().to_vector<float>(),
              Each(Truly([](float value) { return std::isfinite(value); })));
  EXPECT_THROW(require_no_fault(gpu_), DataError);
}

}  // namespace
}  // namespace ripieno
