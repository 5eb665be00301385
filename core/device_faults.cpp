#include "ripieno/core/device_faults.h"

#include <fmt/format.h>

#include <map>
#include <mutex>

#include "ripieno/core/device/copy.h"
#include "ripieno/core/place.h"

namespace ripieno {
namespace {

constexpr int64_t kWords = sizeof(kernels::UnknownId) / sizeof(int32_t);

kernels::UnknownId* as_fault(const Tensor& words) {
  return static_cast<kernels::UnknownId*>(words.raw_data());
}

// Of the operations that index an axis; null for the others.
const char* name_of(IdOperation operation) {
  switch (operation) {
    case IdOperation::gather:
      return "gather";
    case IdOperation::scatter:
      return "scatter";
    case IdOperation::scatter_add:
      return "scatter_add";
    case IdOperation::index_select:
      return "index_select";
    case IdOperation::one_hot:
      return "one_hot";
    default:
      return nullptr;
  }
}

}  // namespace

Tensor device_fault(Device device) {
  static std::mutex mutex;
  static auto& faults = *new std::map<int, Tensor>;  // never destroyed: kernels may write to it
                                                     // until the process ends
  const std::lock_guard lock(mutex);
  Tensor& words = faults[device.index];
  if (!words.defined()) {
    words = Tensor::zeros({kWords}, DType::int32, device);
    synchronize(device);  // before kernels of other streams write to it
  }
  return words;
}

void require_known_ids(IdOperation operation, const Tensor& ids, int64_t bound, int32_t exempt) {
  kernels::UnknownId on_cpu;
  kernels::UnknownId* const found =
      ids.device().is_cuda() ? as_fault(device_fault(ids.device())) : &on_cpu;
  run_on({"check ids", {&ids}}, ids.device(), [&](auto on) {
    const auto find = [&](const auto* values) {
      kernels::find_unknown_id(on, found, values, ids.elements(), bound, exempt,
                               static_cast<int32_t>(operation));
    };
    if (ids.dtype() == DType::int64) return find(ids.data<int64_t>());
    find(ids.data<int32_t>());
  });
  require_no_fault(on_cpu);
}

void require_no_fault(const kernels::UnknownId& fault) {
  if (fault.input == 0) return;
  if (fault.input == static_cast<int32_t>(IdOperation::embedding)) {
    throw DataError(
        fmt::format("embedding: id {} at position {} is outside the table, which has {} rows",
                    fault.id, fault.position, fault.bound));
  }
  if (const char* const operation = name_of(static_cast<IdOperation>(fault.input))) {
    throw DataError(fmt::format("{}: index {} at position {} is outside [0, {})", operation,
                                fault.id, fault.position, fault.bound));
  }
  throw DataError(
      fmt::format("cross_entropy: target {} at position {} is not one of the {} classes", fault.id,
                  fault.position, fault.bound));
}

void require_no_fault(Device device) {
  if (!device.is_cuda()) return;
  const Tensor words = device_fault(device);
  kernels::UnknownId fault;
  copy_bytes(&fault, Device::cpu(), words.raw_data(), device, sizeof(fault));
  if (fault.input != 0) zero_bytes(words.raw_data(), device, words.bytes());
  require_no_fault(fault);
}

}  // namespace ripieno
