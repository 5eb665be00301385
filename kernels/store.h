// A small value that the host knows, written where kernels run.
#pragma once

#include "ripieno/kernels/execution.h"

namespace ripieno::kernels {

// *out = value, once the stream comes to it. The value travels as an argument of the kernel, so no
// memory of the host has to last until then, and nobody waits. V: StepScalars or RandomKey.
template <typename V>
void store(OnCpu, V* out, const V& value);
template <typename V>
void store(OnCuda, V* out, const V& value);

}  // namespace ripieno::kernels
