// Device faults: invalid ids that kernels find in their input on a GPU.
//
// They are stored in device memory, so that the host need not wait for them, and are read together
// with a result that it waits for anyway, usually the loss. On the CPU, ids are checked before the
// computation, which throws at once.
#pragma once

#include "ripieno/core/tensor.h"
#include "ripieno/kernels/known_ids.h"

namespace ripieno {

// The operation that received the ids.
enum class IdOperation : int32_t {
  embedding = 1,
  cross_entropy = 2,
  gather = 11,
  scatter = 12,
  scatter_add = 13,
  index_select = 14,
  one_hot = 15
};

// Checks that every element of `ids`, int32 or int64, dense, any shape, is in [0, bound) or equal
// to `exempt`. On the CPU throws DataError naming the first that is not; on a GPU only enqueues the
// check, whose result is in device_fault().
void require_known_ids(IdOperation operation, const Tensor& ids, int64_t bound, int32_t exempt);

// The first fault found on a GPU since the last one was thrown: a tensor (4), int32, on the device,
// which holds a kernels::UnknownId. It lives as long as the process. The result for a batch is
// available once the kernels of that batch are done; an invalid id counts as a row of zeros
// (embedding) or has no gradient (cross entropy).
Tensor device_fault(Device device);

// Throws DataError if `fault`, copied from device_fault(), describes an invalid id.
void require_no_fault(const kernels::UnknownId& fault);
// Reads the fault of `device`, clears it, and throws DataError if there was one. Waits for the
// device. Does nothing on the CPU.
void require_no_fault(Device device);

}  // namespace ripieno
