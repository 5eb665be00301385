#include "ripieno/training/run/late_metrics.h"

#include "ripieno/core/device_faults.h"
#include "ripieno/core/losses/linear_cross_entropy.h"
#include "ripieno/core/nn/module.h"
#include "ripieno/core/optim/sgd.h"
#include "support/gpu_test.h"

namespace ripieno {
namespace {

class LateMetricsOnAGpu : public testing::GpuTest {
 protected:
  const Device gpu_ = Device::cuda();
  std::vector<double> losses_;
  LateMetrics metrics_{gpu_, [this](const auto& step) {
                         losses_.push_back(step.line.find(io::metric::kLoss)->number());
                       }};

  // Adds a step with one target of three classes.
  void add_step(int32_t target) {
    const Tensor weight = Tensor::zeros({3, 2}, DType::float32, gpu_);
    const Tensor x = Tensor::zeros({1, 2}, DType::float32, gpu_);
    const Loss loss = linear_cross_entropy(x, weight, Tensor::of<int32_t>({1}, {target}).to(gpu_));
    metrics_.add({}, loss, optimizer_);
  }

  struct Model : nn::Module {
    Tensor weight = add_parameter("weight", {1}, nn::Initial::constant(0.0));
  } model_;
  optim::Sgd optimizer_{model_.parameters(), {}};
};

TEST_F(LateMetricsOnAGpu, ReportIdsOutOfRangeWithTheLossOfTheirStep) {
  add_step(2);
  add_step(7);
  EXPECT_THROW(metrics_.take_all(), DataError);
  EXPECT_EQ(losses_.size(), 1u);
  EXPECT_THROW(require_no_fault(gpu_), DataError);  // recorded until it is reported here
  add_step(1);
  metrics_.take_all();
  EXPECT_EQ(losses_.size(), 2u);
}

TEST(LateMetrics, HaveNoLossForAStepWithoutTargets) {
  struct Model : nn::Module {
    Tensor weight = add_parameter("weight", {1}, nn::Initial::constant(0.0));
  } model;
  const optim::Sgd optimizer(model.parameters(), {});
  std::vector<bool> have_loss;
  LateMetrics metrics(Device::cpu(), [&](const LateMetrics::Arrived& step) {
    EXPECT_TRUE(step.loss_is_finite);
    have_loss.push_back(step.line.find(io::metric::kLoss) != nullptr);
  });
  const Tensor logits = Tensor::zeros({1, 3});
  for (const int32_t target : {1, kIgnoredTarget})
    metrics.add({}, cross_entropy(logits, Tensor::of<int32_t>({1}, {target})), optimizer);
  metrics.take_all();
  EXPECT_EQ(have_loss, (std::vector<bool>{true, false}));
}

}  // namespace
}  // namespace ripieno
