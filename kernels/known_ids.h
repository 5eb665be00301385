// Validation of embedding ids on the device that holds them; the host reads the result later.
#pragma once

#include <cstdint>

#include "ripieno/kernels/execution.h"

namespace ripieno::kernels {

// An id out of range. Kernels record at most one, and never overwrite it.
struct UnknownId {
  int32_t input = 0;  // the caller's number for the input that contained it; 0: none was found
  int32_t id = 0;
  int32_t bound = 0;     // valid ids are in [0, bound)
  int32_t position = 0;  // index in ids
};

// Records in *found an element of ids (count) that is neither in [0, bound) nor `exempt`, unless
// *found already holds one. If several are invalid: the first on the CPU, any of them on a GPU.
// input: nonzero. Id: int32_t, int64_t; what does not fit the record is stored as the nearest
// int32_t.
template <typename Id>
void find_unknown_id(OnCpu, UnknownId* found, const Id* ids, int64_t count, int64_t bound,
                     int32_t exempt, int32_t input);
template <typename Id>
void find_unknown_id(OnCuda, UnknownId* found, const Id* ids, int64_t count, int64_t bound,
                     int32_t exempt, int32_t input);

}  // namespace ripieno::kernels
