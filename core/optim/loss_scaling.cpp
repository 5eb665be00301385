#include "ripieno/core/optim/loss_scaling.h"

#include <cstddef>

#include "ripieno/core/optim/device_value.h"
#include "ripieno/core/tensor_implementation.h"

namespace ripieno::optim {

void LossScaling::to(Device device, int64_t steps) {
  if (!enabled_) return;
  state_ =
      state_.defined() ? state_.to(device) : optim::on_device(device, LossScale{.steps = steps});
}

Tensor LossScaling::scale() const {
  if (!enabled_) return {};
  static_assert(offsetof(LossScale, scale) == 0);
  return tensor_over(state_.implementation().storage, 0, {}, {}, DType::float32);
}

LossScale* LossScaling::on_device() const {
  return enabled_ ? static_cast<LossScale*>(state_.raw_data()) : nullptr;
}

LossScale LossScaling::read() const { return on_host<LossScale>(state_); }

void LossScaling::write(Device device, const LossScale& state) {
  if (!enabled_) return;
  const Tensor written = optim::on_device(device, state);
  if (state_.defined() && state_.device() == device) {
    state_.copy_from(written);  // in place, since a recorded step has its address
  } else {
    state_ = written;
  }
}

}  // namespace ripieno::optim
