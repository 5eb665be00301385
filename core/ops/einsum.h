// einsum(): products of tensors written with a letter per axis.
#pragma once

#include <string_view>
#include <vector>

#include "ripieno/core/tensor.h"

namespace ripieno {

// einsum("bij,bjk->bik", {a, b}): the sum of products over all letters that are not in the result.
// One or two tensors; every tensor has each letter at most once, so there are no diagonals, and
// the result, after "->", is required. Computed as one matmul, after sums over letters that occur
// in one tensor only. Throws Error for other expressions, and if the sizes of a letter differ.
Tensor einsum(std::string_view expression, const std::vector<Tensor>& tensors);

}  // namespace ripieno
