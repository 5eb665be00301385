#include "ripieno/kernels/cross_entropy.h"

#include "kernel_test.h"

namespace ripieno::testing {
namespace {

using kernels::LogitsShape;

class CrossEntropy : public KernelTest {};
INSTANTIATE_TEST_SUITE_P(Cuda, CrossEntropy, device_runs(), run_name);

constexpr int32_t kIgnored = -100;

template <typename T>
struct Batch {
  LogitsShape shape;
  Both<T> logits = some_numbers<T>(shape.rows * shape.stride, 1, -6, 6);
  Both<int32_t> targets = some_ids(shape.rows, 2, 0, static_cast<int32_t>(shape.classes) - 1);
  Both<accumulator_t<T>> log_sum_exp = Both<accumulator_t<T>>(2 * shape.rows);
  Both<accumulator_t<T>> row_losses = Both<accumulator_t<T>>(shape.rows);

  Batch(int64_t rows, int64_t classes, int64_t gap = 0) : shape{rows, classes, classes + gap} {
    for (int64_t r = 1; r < rows; r += 3) targets.host()[r] = kIgnored;
    targets.update_device();
  }
  void forward() {
    on_both([&](auto place, auto at) {
      kernels::cross_entropy_forward(place, at(row_losses), at(log_sum_exp), at(logits),
                                     at(targets), shape, kIgnored);
    });
  }
  void in_place() {
    on_both([&](auto place, auto at) {
      kernels::cross_entropy_in_place(place, at(row_losses), at(logits), at(targets), shape,
                                      kIgnored, 4.0);
    });
  }
};

constexpr int64_t kRows = 3;  // the second is ignored
constexpr int64_t kClasses[] = {1, 31, 32, 33, 1001, 4096};

TEST_P(CrossEntropy, ForwardAgreesWithTheCpu) {
  for_each_float_type([]<typename T>(Type<T>) {
    for (const int64_t classes : kClasses) {
      Batch<T> batch(kRows, classes);
      batch.forward();
      expect_agreement(batch.row_losses);
      expect_agreement(batch.log_sum_exp);
    }
  });
}

TEST_P(CrossEntropy, ForwardSkipsLogSumExpIfItIsNull) {
  Batch<float> batch(kRows, 33);
  on_both([&](auto place, auto at) {
    kernels::cross_entropy_forward(place, at(batch.row_losses), static_cast<float*>(nullptr),
                                   at(batch.logits), at(batch.targets), batch.shape, kIgnored);
  });
  expect_agreement(batch.row_losses);
}

TEST_P(CrossEntropy, SumsMoreRowsThanABlockHasThreads) {
  for (const int64_t rows : {0, 1, 1001}) {
    Both<float> row_losses = some_numbers<float>(rows, 1), sum{0.0f}, count{0.0f};
    Both<int32_t> targets = some_ids(rows, 2, 0, 3);
    on_both([&](auto place, auto at) {
      kernels::cross_entropy_sum(place, at(sum), at(count), at(row_losses), at(targets), rows, 2);
    });
    expect_agreement(sum);
    expect_same_bits(count);
  }
}

TEST_P(CrossEntropy, OfATargetOutsideTheClassesIsNanAndHasNoGradient) {
  for (const int32_t wrong : {-1, 5}) {
    Batch<float> batch(4, 5);
    batch.targets.host()[2] = wrong;
    batch.targets.update_device();
    batch.in_place();
    EXPECT_TRUE(std::isnan(batch.row_losses.from_device()[2]));
    expect_agreement(batch.row_losses);
    expect_agreement(batch.logits);
  }
}

TEST_P(CrossEntropy, BackwardAgreesWithTheCpuWhereItOverwritesTheLogits) {
  for_each_float_type([]<typename T>(Type<T>) {
    for (const int64_t classes : kClasses) {
      Batch<T> batch(kRows, classes);
      batch.forward();
      Both<accumulator_t<T>> grad_loss{accumulator_t<T>(0.5f)};
      on_both([&](auto place, auto at) {
        kernels::cross_entropy_backward(place, at(batch.logits), at(grad_loss), at(batch.logits),
                                        at(batch.targets), at(batch.log_sum_exp), batch.shape,
                                        kIgnored);
      });
      expect_agreement(batch.logits);
    }
  });
}

TEST_P(CrossEntropy, InPlaceAgreesWithTheCpu) {
  for_each_float_type([]<typename T>(Type<T>) {
    for (const int64_t classes : kClasses) {
      Batch<T> batch(kRows, classes);
      batch.in_place();
      expect_agreement(batch.row_losses);
      expect_agreement(batch.logits);
    }
  });
}

TEST_P(CrossEntropy, InPlaceDoesNotTouchThePaddingBetweenRows) {
  for_each_float_type([]<typename T>(Type<T>) {
    for (const int64_t gap : {3, 31}) {  // 16-bit rows: misaligned with 3, aligned with 31
      Batch<T> batch(kRows, 33, gap);
      batch.in_place();
      expect_agreement(batch.row_losses);
      expect_agreement(batch.logits);
    }
  });
}

TEST_P(CrossEntropy, InPlaceAcceptsRowsThatNoBlockCanHold) {
  for (const int64_t classes : {30000, 30001}) {
    Batch<float> batch(2, classes);
    batch.in_place();
    expect_agreement(batch.row_losses);
    expect_agreement(batch.logits);
  }
}

TEST_P(CrossEntropy, DoesNotLosePrecisionUnderAShift) {
  for (const float c : {1e5f, 1e8f}) {
    Both<float> logits{c, c}, row_loss(1), log_sum_exp(2), gradient(2), grad_loss{1.0f};
    Both<int32_t> target{1};
    const LogitsShape shape{1, 2, 2};
    on_both([&](auto place, auto at) {
      kernels::cross_entropy_forward(place, at(row_loss), at(log_sum_exp), at(logits), at(target),
                                     shape, kIgnored);
      kernels::cross_entropy_backward(place, at(gradient), at(grad_loss), at(logits), at(target),
                                      at(log_sum_exp), shape, kIgnored);
      kernels::cross_entropy_in_place(place, at(row_loss), at(logits), at(target), shape, kIgnored,
                                      1.0);
    });
    EXPECT_NEAR(row_loss.from_device()[0], std::log(2.0f), 1e-6f);
    EXPECT_NEAR(gradient.from_device()[1], -0.5f, 1e-6f);
    EXPECT_NEAR(logits.from_device()[1], -0.5f, 1e-6f);
    expect_agreement(gradient);
    expect_agreement(logits);
  }
}

TEST_P(CrossEntropy, OfNonFiniteLogitsAgreesWithTheCpu) {
  const float infinity = std::numeric_limits<float>::infinity();
  for (const float odd : {infinity, -infinity, std::numeric_limits<float>::quiet_NaN()}) {
    Batch<float> batch(4, 33);
    batch.logits.host()[5] = odd;
    batch.logits.update_device();
    batch.in_place();
    expect_agreement(batch.row_losses);
    expect_agreement(batch.logits);
  }
}

}  // namespace
}  // namespace ripieno::testing
