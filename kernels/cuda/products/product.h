// Description of a matrix product for the library: layouts, types and epilogue. Private to
// kernels/cuda.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <string>

#include "ripieno/kernels/cuda/products/column_major.h"
#include "ripieno/kernels/cuda/runtime/element_type.h"

namespace ripieno::kernels::cuda {

struct ProductTypes {
  ElementType elements = ElementType::kFloat32;  // of left and right
  ElementType result = ElementType::kFloat32;    // of the result, bias and before_activation
  bool tf32 = false;  // float products may use TensorFloat-32, which keeps 10 bits of mantissa

  auto operator<=>(const ProductTypes&) const = default;
};

// Operation that the library fuses with a product. gelu is the tanh approximation.
enum class Epilogue {
  kNone,
  kBias,          // result = product + bias of each row
  kGelu,          // result = gelu(product)
  kGeluBias,      // result = gelu(product + bias)
  kGeluKept,      // kGelu, and before_activation = product
  kGeluBiasKept,  // kGeluBias, and before_activation = product + bias
  kGeluGradient,  // result = product * gelu'(before_activation)
  kBiasGradient,  // result = product, and bias = sums of right over the inner dimension
};

// The largest alignment in bytes that decides which algorithms of the library can run. Counting
// more would measure the same product again for each layer of a model.
inline constexpr uint32_t kMostAlignment = 16;

// Alignment of each operand in bytes, at most kMostAlignment; 0 if the operand is not used.
struct Alignments {
  uint32_t left = 0, right = 0, result = 0, bias = 0, before_activation = 0;

  auto operator<=>(const Alignments&) const = default;
};

// Everything that the choice of an algorithm depends on.
struct ProductProblem {
  ColumnMajorProduct matrices{};
  ProductTypes types{};
  Epilogue epilogue = Epilogue::kNone;
  bool accumulate = false;  // adds to the result; only with kNone or kBiasGradient
  Alignments alignments{};
  std::size_t workspace_bytes = 0;  // of an algorithm, at most

  auto operator<=>(const ProductProblem&) const = default;
};

// bias: (rows of the result); or (columns of the result), and written, for kBiasGradient.
// before_activation: laid out like the result; written by the kept epilogues, read by
// kGeluGradient.
struct Operands {
  void* result = nullptr;
  const void* left = nullptr;
  const void* right = nullptr;
  void* bias = nullptr;
  void* before_activation = nullptr;
};

// The problem with the alignments of these operands.
ProductProblem aligned_as(ProductProblem problem, const Operands& operands);

// The largest workspace of a product on a device with that much memory. Sums over many rows, as in
// the gradients of weights, are fastest when they are cut into parts, whose results need 38 to 50
// MB for a model of 768 channels.
inline constexpr std::size_t kSmallWorkspaceBytes = std::size_t{32} << 20;
std::size_t workspace_bytes_for(std::size_t device_bytes);

// The same product without its epilogue.
ProductProblem without_epilogue(ProductProblem problem);
Operands without_epilogue(Operands operands);

// Number of elements from the first to the last of all matrices in the batch.
int64_t extent_of(const ColumnMajorMatrix& matrix, int64_t batch);
int64_t inner_size_of(const ColumnMajorProduct& product);
int64_t size_of(ElementType type);  // bytes

// Whether the library's epilogue may be used. It requires a batch of 1, and types other than
// double. The GELU epilogues are not used for full float precision, because the library does not
// document how accurate its tanh is; those with before_activation require it to be aligned to 16
// bytes, with a leading dimension that is a multiple of 8.
bool may_be_fused(const ProductProblem& problem);

// A one-line text that is unique to the problem; it names a choice in the file.
std::string key_of(const ProductProblem& problem);
// A human-readable, row-major description: "matmul (65536, 768) x (768, 3072), bfloat16, bias +
// GELU".
std::string describe(const ProductProblem& problem);

}  // namespace ripieno::kernels::cuda
