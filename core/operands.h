// What operations demand of the tensors that they are given. Each Error names the operation and
// what it got.
#pragma once

#include <initializer_list>

#include "ripieno/core/tensor.h"

namespace ripieno {

struct Operand {
  const char* name;
  const Tensor& tensor;
};
using Operands = std::initializer_list<Operand>;

// Throws Error where one of them is undefined.
void require_defined(const char* operation, Operands operands);

// Throws Error where they do not lie on one device. Undefined ones are passed over.
void require_one_device(const char* operation, Operands operands);

// Nor have one element type.
void require_one_type(const char* operation, Operands operands);

}  // namespace ripieno
