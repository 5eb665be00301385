// The cross entropy of a linear layer's outputs, without ever holding all of them: for heads with
// many classes, a language model's above all.
//
// Rows are taken a chunk at a time: their logits, their losses, and at once the gradients that
// these logits give, which the backward only scales (as in Liger Kernel, arXiv 2410.10989). So no
// product is computed twice, and memory is a chunk's logits and a gradient of the weight in
// accumulator precision.
#pragma once

#include "ripieno/core/losses/cross_entropy.h"

namespace ripieno {

struct LinearCrossEntropyOptions {
  int32_t ignored = kIgnoredTarget;
  // How much a chunk's logits may take; 0 for what suits the device. A chunk is 128 rows at least.
  int64_t chunk_bytes = 0;
};

// cross_entropy(linear(x, weight), targets).   x: (…, inputs); weight: (classes, inputs); targets:
// (…), int32. Throws as cross_entropy and linear do.
Loss linear_cross_entropy(const Tensor& x, const Tensor& weight, const Tensor& targets,
                          const LinearCrossEntropyOptions& options = {});

}  // namespace ripieno
