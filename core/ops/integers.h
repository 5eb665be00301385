// Arithmetic of int64, int32 and uint8 tensors. For operations within core: users call + and *.
#pragma once

#include "ripieno/core/tensor.h"
#include "ripieno/kernels/compare.h"

namespace ripieno {

// a op b, with broadcasting. Both must have the same integer type and device; throws Error
// otherwise. Results that do not fit wrap around.
Tensor integer_operation(const char* name, const Tensor& a, const Tensor& b,
                         kernels::IntegerOperation op);
// The same with a number, which must be an integer that the type can hold.
Tensor integer_operation(const char* name, const Tensor& a, double b, kernels::IntegerOperation op);

}  // namespace ripieno
