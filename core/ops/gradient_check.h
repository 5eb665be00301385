// gradient_check: compares the gradients of a function with finite differences.
#pragma once

#include <functional>
#include <vector>

#include "ripieno/core/tensor.h"

namespace ripieno {

// The largest difference, over all elements of all inputs, between the gradient that backward()
// gives for the sum of function(inputs) and the central difference, relative to the larger of 1 and
// the two. inputs: float64, on the CPU, dense; each is nudged by `step` and put back. `weights` of
// the outputs in that sum are fixed, so that an output whose plain sum is constant (a softmax) is
// checked as well.
double gradient_check(const std::function<Tensor(const std::vector<Tensor>&)>& function,
                      std::vector<Tensor> inputs, double step = 1e-5);

// The same for a function of several outputs: all of them together, and each one alone, where
// nothing uses the others.
double gradient_check(
    const std::function<std::vector<Tensor>(const std::vector<Tensor>&)>& function,
    std::vector<Tensor> inputs, double step = 1e-5);

}  // namespace ripieno
