// Printing tensors: std::cout << tensor.
#pragma once

#include <iosfwd>

#include "ripieno/core/tensor.h"

namespace ripieno {

// Writes the elements in brackets per axis, then shape, element type and device:
//
//   [[ 1, 0.5],
//    [-2,   3]] (2, 2) float32 on cpu
//
// Numbers have the stream's format and precision. Of a tensor with more than 1000 elements, only
// the first and the last 3 along each axis are written. "undefined" for an undefined tensor. Waits
// for the device.
std::ostream& operator<<(std::ostream& out, const Tensor& tensor);

}  // namespace ripieno
