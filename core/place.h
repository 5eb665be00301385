// run(): the dispatch from a tensor's device and element type to a kernel; no other code does this.
//
// With a Work, the call is an operation in profiles: run({"add", {&result, &a, &b}}, a, …).
#pragma once

#include <string>
#include <utility>

#include "ripieno/core/device/stream.h"
#include "ripieno/core/tensor.h"
#include "ripieno/core/work.h"
#include "ripieno/kernels/execution.h"
#include "ripieno/kernels/places.h"

namespace ripieno {

// Calls op(on), where `on` is the backend of `device`: OnCpu, or OnCuda with the current stream.
template <typename Op>
void run_on(Device device, Op&& op) {
  if constexpr (kernels::kHasCuda) {
    if (device.is_cuda()) return op(kernels::OnCuda{current_stream(device).handle()});
  }
  op(kernels::OnCpu{});
}

// Calls op.operator()<T>(on), where T is the element type of `x` and `on` the backend of its
// device. Throws Error if the type is not floating point.
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
        fail("this operation requires a floating-point element type, got " +
             std::string(name_of(x.dtype())));
    }
  });
}

// The same for every element type.
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

// The same with T an unsigned integer of the element's size: for code that only moves bits.
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

// The same as an operation of profiles.
template <typename Op>
void run_on(const Work& work, Device device, Op&& op) {
  const ProfiledOperation profiled(work, device);
  run_on(device, std::forward<Op>(op));
}
template <typename Op>
void run(const Work& work, const Tensor& x, Op&& op) {
  const ProfiledOperation profiled(work, x.device());
  run(x, std::forward<Op>(op));
}
template <typename Op>
void run_any(const Work& work, const Tensor& x, Op&& op) {
  const ProfiledOperation profiled(work, x.device());
  run_any(x, std::forward<Op>(op));
}
template <typename Op>
void run_words(const Work& work, const Tensor& x, Op&& op) {
  const ProfiledOperation profiled(work, x.device());
  run_words(x, std::forward<Op>(op));
}

}  // namespace ripieno
