// Recomputation, or activation checkpointing (Chen et al., 2016, arXiv 1604.06174): trades a second
// forward for the memory of what the first one kept.
#pragma once

#include <functional>

#include "ripieno/core/tensor.h"

namespace ripieno {

// function(input), of which only `input` is kept: its backward computes the rest again, with the
// same random numbers. The function gives the same when it is called again, and what it refers to
// lives until then; gradients of the parameters and other tensors that it reads are the same bits
// as without this, and hooks run once, when all of it is done.
//
// The backward throws Error where a tensor that the function reads was written in place since. It
// sees what operations read; not what is read within a NoGrad, or by data() and to_vector(). What
// the function itself writes, as Module::update_buffer() does, is not checked: the backward reads
// what it then holds.
Tensor recomputed(std::function<Tensor(const Tensor&)> function, const Tensor& input);

// Whether this thread is computing such a function again, within a backward: what a forward does
// beside its result is not to be done twice.
bool is_recomputing();

}  // namespace ripieno
