// Numerics: which of the ways to compute a result are allowed, where they differ in their last
// bits.
//
// One value for the process, set before the first step; any thread may read it. It has no effect
// where there is no GPU.
#pragma once

#include <cstdint>

namespace ripieno::kernels {

// How the algorithm of a GPU's matrix product is chosen (matmul_algorithms.h). Choices that were
// given go first in each case.
enum class ProductAlgorithms : uint8_t {
  measured,  // the first product of a shape measures what the library offers; takes memory, and
             // waits for the GPU, so a step that is being captured must not do it
  known,     // a choice that was measured before, else the library's guess
  guessed,   // the library's guess, the same on all devices of a kind with the same versions; no
             // file is read
};

struct alignas(8) Numerics {
  // float products may be computed in TensorFloat-32, whose factors keep ten bits of their
  // fraction.
  bool tf32 = false;
  ProductAlgorithms algorithms = ProductAlgorithms::measured;
  // Bias, activation and their gradients may be left to the library that computes the product.
  bool fused_epilogues = true;
  // The backward of attention gives the same bits each time. The library then needs more memory (a
  // matrix of time by time for some samples at once) and is slower; kernels of our own repeat
  // themselves anyway.
  bool repeatable_attention = false;

  bool operator==(const Numerics&) const = default;
};

// At first the defaults, but without fused epilogues where RIPIENO_MATMUL_EPILOGUES=0 is in the
// environment: to find out which of the two computes wrong.
Numerics numerics();
void set_numerics(const Numerics& numerics);

}  // namespace ripieno::kernels
