#include "ripieno/core/optim/loss_scaling.h"

#include <cstddef>

#include "ripieno/core/optim/device_value.h"
#include "ripieno/core/tensor_implementation.h"

namespace ripieno::optim {

void LossScaling::skip_bad_steps(double outlier_factor) {
  skips_ = true;
  outlier_factor_ = outlier_factor;
  if (state_.defined()) write(state_.device(), read());
}

void LossScaling::to(Device device, int64_t steps) {
  if (!is_enabled()) return;
  if (state_.defined()) {
    state_ = state_.to(device);
  } else {
    write(device, LossScale{.steps = steps});
  }
}

Tensor LossScaling::scale() const {
  if (!scales_) return {};
  static_assert(offsetof(LossScale, scale) == 0);
  return tensor_over(state_.implementation().storage, 0, {}, {}, DType::float32);
}

LossScale* LossScaling::on_device() const {
  return is_enabled() ? static_cast<LossScale*>(state_.raw_data()) : nullptr;
}

LossScale LossScaling::read() const { return on_host<LossScale>(state_); }

void LossScaling::write(Device device, const LossScale& state) {
  if (!is_enabled()) return;
  LossScale adapted = state;
  if (!scales_) {
    adapted.scale = 1.0f;
    adapted.good_steps = 0;
  } else if (state.is_fixed) {
    adapted.scale = LossScale().scale;
  }
  adapted.is_fixed = !scales_;
  adapted.outlier_factor = outlier_factor_;
  const Tensor written = optim::on_device(device, adapted);
  if (state_.defined() && state_.device() == device) {
    state_.copy_from(written);  // in place, since a recorded step has its address
  } else {
    state_ = written;
  }
}

}  // namespace ripieno::optim
