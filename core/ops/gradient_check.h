// gradient_check(): compares the gradients of a function with finite differences, for tests of
// operations.
#pragma once

#include <functional>
#include <vector>

#include "ripieno/core/tensor.h"

namespace ripieno {

// Returns the largest relative error of the gradients, over all elements of all inputs: |backward -
// central difference| / max(1, |backward|, |central difference|); NaN counts as the largest. The
// function that is differentiated is a weighted sum of function(inputs), with fixed weights, so
// that an output whose plain sum is constant (a softmax) is checked too. inputs: dense, float64, on
// the CPU; each element is changed by +-`step` and restored. Throws Error for other inputs, for an
// empty function, and for one that returns no outputs.
double gradient_check(const std::function<Tensor(const std::vector<Tensor>&)>& function,
                      std::vector<Tensor> inputs, double step = 1e-5);

// The same for a function with several outputs: checks all of them together, and each one alone
// with the others unused.
double gradient_check(
    const std::function<std::vector<Tensor>(const std::vector<Tensor>&)>& function,
    std::vector<Tensor> inputs, double step = 1e-5);

}  // namespace ripieno
