// Writes a small value from the host to the kernel's memory, in stream order.
#pragma once

#include "ripieno/kernels/execution.h"

namespace ripieno::kernels {

// *out = value. The value is passed as a kernel argument, so no host memory has to outlive the call
// and nothing waits. V: StepScalars or RandomKey.
template <typename V>
void store(OnCpu, V* out, const V& value);
template <typename V>
void store(OnCuda, V* out, const V& value);

}  // namespace ripieno::kernels
