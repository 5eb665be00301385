// linear_cross_entropy(): the cross entropy of a linear layer's outputs without holding all logits
// in memory, for layers with many classes such as the head of a language model.
//
// The forward computes logits, losses and gradients chunk by chunk; the backward only scales the
// gradients (as in Liger Kernel, arXiv 2410.10989). No product is computed twice; memory holds the
// logits of one chunk and a gradient of the weight in accumulator precision.
#pragma once

#include "ripieno/core/losses/cross_entropy.h"

namespace ripieno {

struct LinearCrossEntropyOptions {
  int32_t ignored = kIgnoredTarget;
  // Maximum size of a chunk's logits; 0 selects 256 MiB on the CPU and 512 MiB on a GPU. A chunk
  // has at least 128 rows.
  int64_t chunk_bytes = 0;
};

// cross_entropy(linear(x, weight), targets). Throws like these two.
//   x: (…, inputs); weight: (classes, inputs); targets: (…), int32
Loss linear_cross_entropy(const Tensor& x, const Tensor& weight, const Tensor& targets,
                          const LinearCrossEntropyOptions& options = {});

}  // namespace ripieno
