// Numerics: which algorithms are allowed where they differ in the last bits of a result.
//
// One value per process, set before the first step; reading it is thread-safe. It affects GPUs
// only.
#pragma once

#include <cstdint>

namespace ripieno::kernels {

// How the algorithm of a matrix product on a GPU is chosen (matmul_algorithms.h). In each mode,
// choices set with use_matmul_algorithms() take precedence.
enum class ProductAlgorithms : uint8_t {
  measured,  // the first product of a shape measures the library's algorithms; this takes memory
             // and waits for the GPU, so it must not happen while a step is captured
  known,     // an earlier measurement if there is one, else the library's heuristic
  guessed,   // the library's heuristic, which gives the same choice on all devices of one model
             // with the same versions; no file is read
};

// Fields that the environment can change are listed at numerics().
struct alignas(8) Numerics {
  // float products may use TensorFloat-32, which rounds the factors to 10 bits of mantissa.
  bool tf32 = false;
  ProductAlgorithms algorithms = ProductAlgorithms::measured;
  // Bias, activation and their gradients may be fused by the library that computes the product.
  bool fused_epilogues = true;
  // The backward of attention is bitwise reproducible. This makes the library slower and requires
  // more memory (a time by time matrix for several samples at once); the built-in
  // kernels are always reproducible.
  bool repeatable_attention = false;
  // The library computes attention in 16-bit types; otherwise built-in kernels do.
  bool library_attention = true;
  // Matrix products may use a workspace of 128 MiB on GPUs of 80 GB or more; otherwise 32 MiB.
  bool large_workspace = true;

  bool operator==(const Numerics&) const = default;
};

// The defaults, but the environment changes these fields, to find out which part of a library gives
// wrong results:
//
//   RIPIENO_USE_CUDNN=0           library_attention = false
//   RIPIENO_MATMUL_MEASURE=0      algorithms = guessed
//   RIPIENO_MATMUL_EPILOGUES=0    fused_epilogues = false
//
// numerics() starts with them.
Numerics numerics_of_environment();
Numerics numerics();
void set_numerics(const Numerics& numerics);

}  // namespace ripieno::kernels
