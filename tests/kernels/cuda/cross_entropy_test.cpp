#include "ripieno/kernels/cross_entropy.h"

#include "kernel_test.h"

namespace ripieno::testing {
namespace {

class CrossEntropy : public KernelTest {};
INSTANTIATE_TEST_SUITE_P(Cuda, CrossEntropy, device_runs(), run_name);

constexpr int32_t kIgnored = -100;

template <typename T>
struct Batch {
  int64_t rows, classes;
  Both<T> logits = some_numbers<T>(rows * classes, 1, -6, 6);
  Both<int32_t> targets = some_ids(rows, 2, 0, static_cast<int32_t>(classes) - 1);
  Both<accumulator_t<T>> loss{accumulator_t<T>(0)}, count{accumulator_t<T>(0)};
  Both<accumulator_t<T>> log_sum_exp = Both<accumulator_t<T>>(rows);
  Both<accumulator_t<T>> row_losses = Both<accumulator_t<T>>(rows);

  Batch(int64_t rows_, int64_t classes_) : rows(rows_), classes(classes_) {
    for (int64_t r = 1; r < rows; r += 3) targets.host()[r] = kIgnored;
    targets.update_device();
  }
  void forward() {
    on_both([&](auto place, auto at) {
      kernels::cross_entropy_forward(place, at(loss), at(count), at(log_sum_exp), at(row_losses),
                                     at(logits), at(targets), rows, classes, kIgnored);
    });
  }
};

TEST_P(CrossEntropy, ForwardAgreesWithTheCpu) {
  for_each_float_type([]<typename T>(Type<T>) {
    for (const int64_t classes : kSizes) {
      Batch<T> batch(9, classes);
      batch.forward();
      expect_agreement(batch.loss);
      expect_same_bits(batch.count);
      expect_agreement(batch.log_sum_exp);
    }
  });
}

TEST_P(CrossEntropy, AddsUpMoreRowsThanABlockHasThreads) {
  Batch<float> batch(1001, 3);
  batch.forward();
  expect_agreement(batch.loss);
  expect_same_bits(batch.count);
}

TEST_P(CrossEntropy, OfATargetOutsideTheClassesIsNan) {
  for (const int32_t wrong : {-1, 5}) {
    Batch<float> batch(4, 5);
    batch.targets.host()[2] = wrong;
    batch.targets.update_device();
    batch.forward();
    EXPECT_TRUE(std::isnan(batch.loss.from_device()[0]));
    expect_same_bits(batch.count);
  }
}

TEST_P(CrossEntropy, BackwardAgreesWithTheCpuWhereItOverwritesTheLogits) {
  for_each_float_type([]<typename T>(Type<T>) {
    for (const int64_t classes : kSizes) {
      Batch<T> batch(9, classes);
      batch.forward();
      Both<accumulator_t<T>> grad_loss{accumulator_t<T>(0.5f)};
      on_both([&](auto place, auto at) {
        kernels::cross_entropy_backward(place, at(batch.logits), at(grad_loss), at(batch.logits),
                                        at(batch.targets), at(batch.log_sum_exp), batch.rows,
                                        classes, kIgnored);
      });
      expect_agreement(batch.logits);
    }
  });
}

}  // namespace
}  // namespace ripieno::testing
