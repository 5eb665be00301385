// Whether ids are ones that a table has: found out where they lie, told to the host later.
#pragma once

#include <cstdint>

#include "ripieno/kernels/execution.h"

namespace ripieno::kernels {

// An id out of range, in four words that a kernel writes once.
struct UnknownId {
  int32_t input = 0;  // what it was given to, by a number of the caller's; 0: none was found
  int32_t id = 0;
  int32_t bound = 0;  // it should have been in [0, bound)
  int32_t position = 0;
};

// Writes *found where one of ids (count) is neither in [0, bound) nor `exempt`, unless one stands
// there already: the first on the CPU, any of them on a GPU.   input: not 0.
void find_unknown_id(OnCpu, UnknownId* found, const int32_t* ids, int64_t count, int64_t bound,
                     int32_t exempt, int32_t input);
void find_unknown_id(OnCuda, UnknownId* found, const int32_t* ids, int64_t count, int64_t bound,
                     int32_t exempt, int32_t input);

}  // namespace ripieno::kernels
