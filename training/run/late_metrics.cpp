#include "ripieno/training/run/late_metrics.h"

#include <utility>

#include "ripieno/core/autograd.h"
#include "ripieno/core/device/stream.h"
#include "ripieno/core/device_faults.h"
#include "ripieno/core/pinned.h"

namespace ripieno {

// A line, and where its numbers arrive.
struct LateMetrics::Numbers {
  explicit Numbers(Device device)
      : loss(pinned_tensor({2}, DType::float64, device)),
        scalars(pinned_tensor({static_cast<int64_t>(sizeof(kernels::StepScalars))}, DType::uint8,
                              device)),
        fault(pinned_tensor({sizeof(kernels::UnknownId) / sizeof(int32_t)}, DType::int32, device)),
        arrived(device) {}

  io::StepMetrics line;
  bool scales_loss = false;
  Tensor loss;     // sum and count
  Tensor scalars;  // StepScalars
  Tensor fault;    // UnknownId, of a GPU
  Event arrived;
};

LateMetrics::LateMetrics(Device device, std::function<void(const io::StepMetrics&)> write)
    : device_(device), write_(std::move(write)) {}

// What is under way may still be written to.
LateMetrics::~LateMetrics() {
  try {
    for (const auto& numbers : under_way_) numbers->arrived.synchronize();
  } catch (...) {  // the device failed; whoever used it has said so
  }
}

void LateMetrics::add(io::StepMetrics line, const Loss& loss, const optim::Optimizer& optimizer) {
  const NoGrad no_grad;
  while (under_way_.size() >= kMostUnderWay) write_oldest();
  if (free_.empty()) free_.push_back(std::make_unique<Numbers>(device_));
  auto numbers = std::move(free_.back());
  free_.pop_back();
  numbers->line = std::move(line);
  numbers->scales_loss = optimizer.scales_loss();
  const Tensor parts[] = {loss.sum, loss.count};
  for (int64_t i = 0; i < 2; ++i)
    enqueue_copy(numbers->loss.slice(0, i, i + 1).reshape({}), parts[i].to(DType::float64));
  if (optimizer.step_scalars().defined())
    enqueue_copy(numbers->scalars, optimizer.step_scalars());
  else
    *static_cast<kernels::StepScalars*>(numbers->scalars.raw_data()) = {};
  if (device_.is_cuda()) enqueue_copy(numbers->fault, device_fault(device_));
  numbers->arrived.record(current_stream(device_));
  under_way_.push_back(std::move(numbers));
}

void LateMetrics::write_arrived() {
  while (!under_way_.empty() && under_way_.front()->arrived.is_done()) write_oldest();
}

void LateMetrics::write_all() {
  while (!under_way_.empty()) write_oldest();
}

void LateMetrics::write_oldest() {
  auto numbers = std::move(under_way_.front());
  under_way_.pop_front();
  numbers->arrived.synchronize();
  if (device_.is_cuda())
    require_no_fault(*static_cast<const kernels::UnknownId*>(numbers->fault.raw_data()));
  io::StepMetrics& line = numbers->line;
  const double* loss = numbers->loss.data<double>();
  const auto& scalars = *static_cast<const kernels::StepScalars*>(numbers->scalars.raw_data());
  line.loss = loss[0] / loss[1];
  line.gradient_norm = scalars.gradient_norm;
  if (numbers->scales_loss) {
    line.loss_scale = scalars.loss_scale;
    line.skipped_steps = scalars.skipped_steps;
  }
  write_(line);
  free_.push_back(std::move(numbers));
}

}  // namespace ripieno
