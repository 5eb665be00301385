// Profiled: a named range in a GPU profile (NVTX), for the thread and lifetime of the object.
#pragma once

#include "ripieno/kernels/cuda/runtime/ranges.h"

namespace ripieno {

class Profiled {
 public:
  explicit Profiled(const char* name) { kernels::cuda::begin_range(name); }
  ~Profiled() { kernels::cuda::end_range(); }
  Profiled(const Profiled&) = delete;
  Profiled& operator=(const Profiled&) = delete;
};

}  // namespace ripieno
