#include "ripieno/core/optim/step_scalars.h"

#include <algorithm>
#include <cmath>

#include "ripieno/core/optim/device_value.h"
#include "ripieno/core/place.h"
#include "ripieno/core/tensor_implementation.h"
#include "ripieno/kernels/reduce.h"
#include "ripieno/kernels/store.h"

namespace ripieno::optim {

using kernels::StepScalars;

void StepScalarsOnDevice::allocate(Device device, const std::vector<ElementRange>& ranges) {
  device_ = device;
  scalars_ = on_device(device, StepScalars{});
  int64_t largest = 0;
  for (const auto& range : ranges) largest = std::max(largest, range.elements());
  partial_sums_ =
      Tensor({(largest + kernels::kSumChunk - 1) / kernels::kSumChunk}, DType::float64, device);
  squares_ = Tensor({static_cast<int64_t>(ranges.size())}, DType::float64, device);
  sum_of_squares_ = Tensor({}, DType::float64, device);
  one_ = Tensor::full({}, 1.0, DType::float64, device);
}

void StepScalarsOnDevice::write(double learning_rate, const Decays& decays, int64_t step) const {
  StepScalars scalars;
  scalars.learning_rate = static_cast<float>(learning_rate);
  const auto steps = static_cast<double>(step);
  scalars.step = steps;
  scalars.first_correction = static_cast<float>(1.0 / (1.0 - std::pow(decays.first, steps)));
  scalars.second_correction = static_cast<float>(1.0 / (1.0 - std::pow(decays.second, steps)));
  run_on({"write step scalars"}, device_,
         [&](auto on) { kernels::store(on, writable(), scalars); });
}

Tensor StepScalarsOnDevice::divisor(const Tensor& count) const {
  return count.defined() ? count.to(DType::float64) : one_;
}

void StepScalarsOnDevice::clip(const Tensor& gradients, const Tensor& count, double max_value,
                               const kernels::LossScale* loss_scale) const {
  const Tensor divisor = this->divisor(count);
  run({"clip gradients", {&gradients, &gradients}}, gradients, [&]<typename T>(auto on) {
    kernels::clip_gradient(on, gradients.data<T>(), gradients.elements(), divisor.data<double>(),
                           loss_scale, max_value);
  });
}

void StepScalarsOnDevice::measure(std::size_t range, const Tensor& gradients) const {
  const Work work{"gradient norm", {&gradients}, 2 * gradients.elements()};
  run(work, gradients, [&]<typename T>(auto on) {
    kernels::sum_of_squares(on, squares_.data<double>() + range, partial_sums_.data<double>(),
                            gradients.data<T>(), gradients.elements());
  });
}

const Tensor& StepScalarsOnDevice::sum_of_squares() const {
  run_on({"gradient norm: sum"}, device_, [&](auto on) {
    kernels::reduce(on, sum_of_squares_.data<double>(), squares_.data<double>(), nullptr,
                    {1, squares_.elements(), 1}, kernels::Reduction::kSum, 1.0, false);
  });
  return sum_of_squares_;
}

void StepScalarsOnDevice::finish(const Tensor& count, double max_norm, const Decays& decays,
                                 kernels::LossScale* loss_scale) const {
  const Tensor divisor = this->divisor(count);
  run_on({"step scalars"}, device_, [&](auto on) {
    const double* squares = sum_of_squares_.data<double>();
    if (loss_scale) {
      kernels::finish_scaled_step_scalars(on, writable(), loss_scale, squares,
                                          divisor.data<double>(), max_norm, decays.first,
                                          decays.second);
    } else {
      kernels::finish_step_scalars(on, writable(), squares, divisor.data<double>(), max_norm);
    }
  });
}

StepScalars* StepScalarsOnDevice::writable() const {
  return static_cast<StepScalars*>(scalars_.raw_data());
}

const StepScalars* StepScalarsOnDevice::data() const { return writable(); }

StepScalars StepScalarsOnDevice::read() const {
  return scalars_.defined() ? on_host<StepScalars>(scalars_) : StepScalars{};
}

Tensor StepScalarsOnDevice::scalar(float StepScalars::*member) const {
  const StepScalars scalars;
  const auto offset = &(scalars.*member) - reinterpret_cast<const float*>(&scalars);
  return tensor_over(scalars_.implementation().storage, offset, {}, {}, DType::float32);
}

}  // namespace ripieno::optim
