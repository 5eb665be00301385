#include "ripieno/training/run/late_metrics.h"

#include <cmath>
#include <utility>

#include "ripieno/core/autograd.h"
#include "ripieno/core/device/stream.h"
#include "ripieno/core/device_faults.h"
#include "ripieno/core/pinned.h"

namespace ripieno {

// A line of metrics and the host memory that receives its values.
struct LateMetrics::Numbers {
  explicit Numbers(Device device)
      : loss(pinned_tensor({2}, DType::float64, device)),
        scalars(pinned_tensor({static_cast<int64_t>(sizeof(kernels::StepScalars))}, DType::uint8,
                              device)),
        fault(pinned_tensor({sizeof(kernels::UnknownId) / sizeof(int32_t)}, DType::int32, device)),
        arrived(device) {}

  Arrived step;
  Tensor loss;     // sum and count
  Tensor scalars;  // StepScalars
  Tensor fault;    // UnknownId; GPU only
  Event arrived;
};

LateMetrics::LateMetrics(Device device, std::function<void(const Arrived&)> arrived)
    : device_(device), arrived_(std::move(arrived)) {}

// Copies to pinned memory may still be running.
LateMetrics::~LateMetrics() {
  try {
    for (const auto& numbers : pending_) numbers->arrived.synchronize();
  } catch (...) {  // the device failed, which was reported where it was used
  }
}

void LateMetrics::add(io::StepMetrics line, const Loss& loss, const optim::Optimizer& optimizer,
                      bool is_logged) {
  const NoGrad no_grad;
  while (pending_.size() >= kMostPending) take_oldest();
  if (free_.empty()) free_.push_back(std::make_unique<Numbers>(device_));
  auto numbers = std::move(free_.back());
  free_.pop_back();
  numbers->step = {.is_logged = is_logged,
                   .scales_loss = optimizer.scales_loss(),
                   .skips_steps = optimizer.skips_steps()};
  numbers->step.line = std::move(line);
  const Tensor parts[] = {loss.sum, loss.count};
  for (int64_t i = 0; i < 2; ++i)
    enqueue_copy(numbers->loss.slice(0, i, i + 1).reshape({}), parts[i].to(DType::float64));
  if (optimizer.step_scalars().defined())
    enqueue_copy(numbers->scalars, optimizer.step_scalars());
  else
    *static_cast<kernels::StepScalars*>(numbers->scalars.raw_data()) = {};
  if (device_.is_cuda()) enqueue_copy(numbers->fault, device_fault(device_));
  numbers->arrived.record(current_stream(device_));
  pending_.push_back(std::move(numbers));
}

void LateMetrics::take_arrived() {
  while (!pending_.empty() && pending_.front()->arrived.is_done()) take_oldest();
}

void LateMetrics::take_all() {
  while (!pending_.empty()) take_oldest();
}

void LateMetrics::take_oldest() {
  auto numbers = std::move(pending_.front());
  pending_.pop_front();
  numbers->arrived.synchronize();
  if (device_.is_cuda())
    require_no_fault(*static_cast<const kernels::UnknownId*>(numbers->fault.raw_data()));
  fill(*numbers);
  arrived_(numbers->step);
  free_.push_back(std::move(numbers));
}

void LateMetrics::fill(Numbers& numbers) {
  Arrived& step = numbers.step;
  const double sum = numbers.loss.data<double>()[0], count = numbers.loss.data<double>()[1];
  const auto& scalars = *static_cast<const kernels::StepScalars*>(numbers.scalars.raw_data());
  step.loss = sum / count;
  step.loss_is_finite = std::isfinite(sum) && std::isfinite(count);
  step.gradient_is_finite = std::isfinite(scalars.gradient_norm);
  step.skips = scalars.skips;
  step.gradient_norm = scalars.gradient_norm;
  step.scale_is_least = scalars.loss_scale <= kernels::kSmallestLossScale;
  if (!step.is_logged) return;
  if (count != 0)
    step.line.set({io::metric::kLoss, step.loss});  // a batch without targets has none
  step.line.set({io::metric::kGradientNorm, scalars.gradient_norm});
  if (step.scales_loss) step.line.set({io::metric::kLossScale, scalars.loss_scale});
  if (step.skips_steps) step.line.set({io::metric::kSkippedSteps, scalars.skipped_steps});
}

}  // namespace ripieno
