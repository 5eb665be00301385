// Recomputation (activation checkpointing; Chen et al., 2016, arXiv 1604.06174): saves memory by
// running a forward again in the backward instead of saving its tensors.
#pragma once

#include <functional>

#include "ripieno/core/tensor.h"

namespace ripieno {

// Computes function(input) and saves only `input`; the backward runs the function again, with the
// same random numbers. The function must return the same result when it is called again, and
// everything it refers to must live until then. Gradients of `input`, parameters and other tensors
// that it reads are bitwise identical to those without recomputation. Hooks of parameters run once,
// after the whole recomputed backward.
//
// The backward throws Error if a tensor that the function reads was changed in place since the
// forward. It sees the reads of operations, but not those within a NoGrad or through data() and
// to_vector(). Tensors that the function itself writes, as Module::update_buffer() does, are not
// checked: the backward reads their current values.
Tensor recomputed(std::function<Tensor(const Tensor&)> function, const Tensor& input);

// Whether this thread is running such a function again in a backward. A forward must then skip its
// side effects, which have happened already.
bool is_recomputing();

}  // namespace ripieno
