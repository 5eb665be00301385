// The bfloat16 wire type: gradients are communicated as bfloat16, half the bytes of float32.
#pragma once

#include <memory>

#include "ripieno/distributed/gradients/gradient_sum.h"

namespace ripieno::distributed {

// A GradientSum for parallel.wire=bfloat16. Each rank's gradients are rounded to bfloat16, summed
// in float32 in rank order, and the sum is rounded again, so each element takes two bytes in each
// direction. A communicator that sums in several stages (the ranks of a host first; hop by hop in
// NCCL) rounds after each. The result is bitwise the same on every rank. Gradients of a 16-bit type
// are summed in their own type. The communicator must outlive it.
std::unique_ptr<GradientSum> sum_over_bfloat16_wire(Communicator& communicator);

}  // namespace ripieno::distributed
