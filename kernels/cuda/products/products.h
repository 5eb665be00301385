// Products: the matrix products of a device, by its library, each with an algorithm that was chosen
// once. Private to kernels/cuda.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "ripieno/kernels/cuda/products/algorithm_choices.h"
#include "ripieno/kernels/cuda/products/product_library.h"
#include "ripieno/kernels/element_types.h"
#include "ripieno/kernels/numerics.h"

namespace ripieno::kernels::cuda {

class Products;
// Does what a problem asks for in more than one step: products with less of an epilogue, and
// kernels of our own.
using InSteps = std::function<void(Products&, OnCuda, const Operands&)>;

// Any thread may call.
class Products {
 public:
  Products(std::unique_ptr<ProductLibrary> library, AlgorithmChoices& choices)
      : library_(std::move(library)), choices_(choices), identity_(library_->identity()) {}

  // Computes `problem`, whose alignments are filled in here: in one call of the library, or where
  // that has no algorithm for the epilogue, or only slower ones, `in_steps`. The first time, it
  // measures which. No size is 0. Throws CudaError.
  void multiply(OnCuda on, const ProductProblem& problem, const Operands& operands,
                const InSteps& in_steps = {});

 private:
  struct Plan {
    std::unique_ptr<LibraryProduct> product;  // null where the epilogue can't be fused
    AlgorithmChoice choice;
    bool decided = false;
    bool measured = false;  // or there was nothing to choose
    uint64_t generation = 0;
  };

  Plan& plan_of(OnCuda on, const ProductProblem& problem, const InSteps& in_steps);
  void decide(OnCuda on, const ProductProblem& problem, Plan& plan, const InSteps& in_steps);
  void measure(OnCuda on, const ProductProblem& problem, Plan& plan,
               const std::vector<Algorithm>& candidates, const InSteps& in_steps);

  std::recursive_mutex mutex_;  // steps are products too
  std::unique_ptr<ProductLibrary> library_;
  AlgorithmChoices& choices_;
  std::string identity_;
  std::map<ProductProblem, Plan> plans_;
};

template <typename T>
constexpr ElementType kElementType = ElementType::kFloat32;
template <>
inline constexpr ElementType kElementType<double> = ElementType::kFloat64;
template <>
inline constexpr ElementType kElementType<bfloat16> = ElementType::kBFloat16;
template <>
inline constexpr ElementType kElementType<float16> = ElementType::kFloat16;

// Of a product of T's into C's, with what is allowed now.
template <typename T, typename C = T>
ProductTypes types_of() {
  return {kElementType<T>, kElementType<C>, std::is_same_v<T, float> && numerics().tf32};
}

// Of the current device; they live as long as the process.
Products& products();

}  // namespace ripieno::kernels::cuda
