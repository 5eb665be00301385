// run(): the one place that turns a tensor's device and element type into a kernel call.
#pragma once

#include <string>

#include "ripieno/core/device/stream.h"
#include "ripieno/core/tensor.h"
#include "ripieno/kernels/execution.h"
#include "ripieno/kernels/places.h"

namespace ripieno {

// Calls op(on), with `on` the place where `device`'s kernels run.
template <typename Op>
void run_on(Device device, Op&& op) {
  if constexpr (kernels::kHasCuda) {
    if (device.is_cuda()) return op(kernels::OnCuda{current_stream(device).handle()});
  }
  op(kernels::OnCpu{});
}

// Calls op.operator()<T>(on), with T the floating-point element type of `x`, where `x` lives.
template <typename Op>
void run(const Tensor& x, Op&& op) {
  run_on(x.device(), [&](auto on) {
    switch (x.dtype()) {
      case DType::float32:
        return op.template operator()<float>(on);
      case DType::bfloat16:
        return op.template operator()<bfloat16>(on);
      case DType::float16:
        return op.template operator()<float16>(on);
      case DType::float64:
        return op.template operator()<double>(on);
      default:
        fail("this operation takes floating-point numbers, not " + std::string(name_of(x.dtype())));
    }
  });
}

// The same over every element type.
template <typename Op>
void run_any(const Tensor& x, Op&& op) {
  run_on(x.device(), [&](auto on) {
    switch (x.dtype()) {
      case DType::float32:
        return op.template operator()<float>(on);
      case DType::bfloat16:
        return op.template operator()<bfloat16>(on);
      case DType::float16:
        return op.template operator()<float16>(on);
      case DType::float64:
        return op.template operator()<double>(on);
      case DType::int64:
        return op.template operator()<int64_t>(on);
      case DType::int32:
        return op.template operator()<int32_t>(on);
      case DType::uint8:
        return op.template operator()<uint8_t>(on);
      case DType::boolean:
        return op.template operator()<bool>(on);
    }
  });
}

// The same over unsigned words of the element's size: for moving bits.
template <typename Op>
void run_words(const Tensor& x, Op&& op) {
  run_on(x.device(), [&](auto on) {
    switch (size_of(x.dtype())) {
      case 1:
        return op.template operator()<uint8_t>(on);
      case 2:
        return op.template operator()<uint16_t>(on);
      case 4:
        return op.template operator()<uint32_t>(on);
      default:
        return op.template operator()<uint64_t>(on);
    }
  });
}

}  // namespace ripieno
