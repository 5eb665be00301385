// Products: computes matrix products on a device with its library, each with an algorithm that is
// chosen once. Private to kernels/cuda.
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
// Computes a problem without the fused epilogue: with a plain product and built-in kernels.
using InSteps = std::function<void(Products&, OnCuda, const Operands&)>;

// Thread-safe.
class Products {
 public:
  Products(std::unique_ptr<ProductLibrary> library, AlgorithmChoices& choices)
      : library_(std::move(library)), choices_(choices), identity_(library_->identity()) {}

  // Computes `problem`; its alignments are ignored and taken from the operands. Uses one call of
  // the library; or in_steps, if the library has no algorithm for the epilogue or only slower ones,
  // which is measured at the first call. All sizes must be positive. Throws CudaError.
  void multiply(OnCuda on, const ProductProblem& problem, const Operands& operands,
                const InSteps& in_steps = {});

 private:
  struct Plan {
    std::unique_ptr<LibraryProduct> product;  // null if the epilogue cannot be fused
    AlgorithmChoice choice;
    bool decided = false;
    bool measured = false;  // true also if there was only one way
    uint64_t generation = 0;
  };

  Plan& plan_of(OnCuda on, const ProductProblem& problem, const InSteps& in_steps);
  void decide(OnCuda on, const ProductProblem& problem, Plan& plan, const InSteps& in_steps);
  void measure(OnCuda on, const ProductProblem& problem, Plan& plan,
               const std::vector<Algorithm>& offered, const InSteps& in_steps);
  // The candidates whose results are right. Reports the others; `why` is the last error of one that
  // could not run.
  std::vector<Algorithm> right_ones(Trial& trial, const ProductProblem& problem,
                                    LibraryProduct& product,
                                    const std::vector<Algorithm>& candidates,
                                    std::string& why) const;

  std::recursive_mutex mutex_;  // recursive: in_steps calls multiply()
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

// Types for a product of T operands with a C result, with the current numerics().
template <typename T, typename C = T>
ProductTypes types_of() {
  return {kElementType<T>, kElementType<C>, std::is_same_v<T, float> && numerics().tf32};
}

// The instance of the current device. Never destroyed.
Products& products();

}  // namespace ripieno::kernels::cuda
