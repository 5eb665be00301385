// Gradients that cross the network as bfloat16: half the bytes of float32.
#pragma once

#include <memory>

#include "ripieno/distributed/gradients/gradient_sum.h"

namespace ripieno::distributed {

// Each rank's numbers are rounded to bfloat16, added up in float in rank order, and the sum is
// rounded once more, so that two bytes a number cross the network each way. Where a communicator
// adds up in several places (the ranks of a host first; hop by hop in NCCL) the sum is rounded in
// each. Every rank gets the same bits. Gradients of a 16-bit type are summed as they are. The
// communicator outlives it.
std::unique_ptr<GradientSum> sum_over_bfloat16_wire(Communicator& communicator);

}  // namespace ripieno::distributed
