// What kernels on a GPU find wrong in what they are given: kept on the device, so that nobody waits
// for it, and read together with something that is waited for, the loss most often.
//
// The CPU finds it before it computes, and throws at once.
#pragma once

#include "ripieno/core/tensor.h"
#include "ripieno/kernels/known_ids.h"

namespace ripieno {

// What ids were given to.
enum class IdsOf : int32_t { embedding = 1, cross_entropy = 2 };

// Ids (…), int32, are in [0, bound) or `exempt`. On the CPU throws DataError that names the first
// that is not; on a GPU enqueues a look at them, for device_fault to tell.
void require_known_ids(IdsOf operation, const Tensor& ids, int64_t bound, int32_t exempt);

// The fault found first on a GPU since the last one was thrown: (4) int32 there, a
// kernels::UnknownId. It lives as long as the process. What it says of a batch is there when the
// batch's kernels are done; the batch's row counted as zeros, or had no gradient.
Tensor device_fault(Device device);

// Throws DataError where `fault`, as read from there, says so.
void require_no_fault(const kernels::UnknownId& fault);
// Reads it and throws it, once. Waits for the device. Of the CPU there is nothing to tell.
void require_no_fault(Device device);

}  // namespace ripieno
