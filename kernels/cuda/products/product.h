// A matrix product as the library is asked for it: layouts, types, and what is done on the way out.
// Private to kernels/cuda.
#pragma once

#include <compare>
#include <cstdint>
#include <string>

#include "ripieno/kernels/cuda/products/column_major.h"
#include "ripieno/kernels/cuda/runtime/element_type.h"

namespace ripieno::kernels::cuda {

struct ProductTypes {
  ElementType elements = ElementType::kFloat32;  // of left and right
  ElementType result = ElementType::kFloat32;    // of the result, and of all that goes with it
  bool tf32 = false;  // float products in TensorFloat-32: ten bits of each factor's fraction count

  auto operator<=>(const ProductTypes&) const = default;
};

// What the library does to a product before it writes it. GELU is its tanh approximation.
enum class Epilogue {
  kNone,
  kBias,          // result = product + bias of each row
  kGelu,          // result = gelu(product)
  kGeluBias,      // result = gelu(product + bias)
  kGeluKept,      // the same two, and before_activation = what gelu was applied to
  kGeluBiasKept,  //
  kGeluGradient,  // result = product * gelu'(before_activation)
  kBiasGradient,  // and bias = the sums of right's columns: of each column, over what is multiplied
};

// How far the memory is aligned, in bytes, up to 256. 0: there is none.
struct Alignments {
  uint32_t left = 0, right = 0, result = 0, bias = 0, before_activation = 0;

  auto operator<=>(const Alignments&) const = default;
};

// What tells one choice of algorithm from another.
struct ProductProblem {
  ColumnMajorProduct matrices{};
  ProductTypes types{};
  Epilogue epilogue = Epilogue::kNone;
  bool accumulate = false;  // adds to the result; without an epilogue or with kBiasGradient
  Alignments alignments{};

  auto operator<=>(const ProductProblem&) const = default;
};

// bias: (rows of the result), or (columns) and written for kBiasGradient.
// before_activation: laid out like the result; written where kept, read for kGeluGradient.
struct Operands {
  void* result = nullptr;
  const void* left = nullptr;
  const void* right = nullptr;
  void* bias = nullptr;
  void* before_activation = nullptr;
};

// The problem with these operands' alignments filled in.
ProductProblem aligned_as(ProductProblem problem, const Operands& operands);

// The product alone.
ProductProblem without_epilogue(ProductProblem problem);
Operands without_epilogue(Operands operands);

// Elements from the first of a matrix to behind its last, in all of the batch.
int64_t extent_of(const ColumnMajorMatrix& matrix, int64_t batch);
int64_t inner_size_of(const ColumnMajorProduct& product);
int64_t size_of(ElementType type);  // bytes

// Whether the library may be asked to do what `problem` wants on the way out: to one matrix, not of
// double. GELU is left to it where fewer than float's digits are kept anyway, since how well it
// approximates tanh is nowhere promised; its input has to lie in columns a multiple of eight apart.
bool may_be_fused(const ProductProblem& problem);

// Everything that tells two problems apart, on one line: the name of a choice in a file.
std::string key_of(const ProductProblem& problem);
// For people, row-major: "matmul (65536, 768) x (768, 3072), bfloat16, bias + GELU".
std::string describe(const ProductProblem& problem);

}  // namespace ripieno::kernels::cuda
