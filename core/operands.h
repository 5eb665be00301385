// Checks of an operation's arguments. Each throws an Error that names the operation, the argument
// and what was found.
#pragma once

#include <initializer_list>

#include "ripieno/core/tensor.h"

namespace ripieno {

struct Operand {
  const char* name;
  const Tensor& tensor;
};
using Operands = std::initializer_list<Operand>;

// Throws Error if an operand is undefined.
void require_defined(const char* operation, Operands operands);

// Throws Error unless all operands are on one device. Undefined ones are skipped.
void require_one_device(const char* operation, Operands operands);

// Throws Error unless all operands have the same device and element type. Undefined ones are
// skipped.
void require_one_type(const char* operation, Operands operands);

}  // namespace ripieno
