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

#include "ripieno/kernels/cuda/algorithm_choices.h"
#include "ripieno/kernels/cuda/product_library.h"
#include "ripieno/kernels/element_types.h"
#include "ripieno/kernels/matmul_algorithms.h"

namespace ripieno::kernels::cuda {

// Does with kernels of our own what the epilogue asks for, to a product that lies in the operands'
// result.
using Finish = std::function<void(OnCuda, const Operands&)>;

// Any thread may call.
class Products {
 public:
  Products(std::unique_ptr<ProductLibrary> library, AlgorithmChoices& choices)
      : library_(std::move(library)), choices_(choices), identity_(library_->identity()) {}

  // Computes `problem`, whose alignments are the operands': in one call of the library, or where
  // that has no algorithm for the epilogue, or only slower ones, the product and then `finish`.
  // The first time, it measures which. No size is 0. Throws CudaError.
  void multiply(OnCuda on, const ProductProblem& problem, const Operands& operands,
                const Finish& finish);

 private:
  struct Plan {
    std::unique_ptr<LibraryProduct> product;  // null where the epilogue can't be fused
    AlgorithmChoice choice;
    bool decided = false;
    bool measured = false;  // or there was nothing to choose
    uint64_t generation = 0;
  };

  Plan& plan_of(OnCuda on, const ProductProblem& problem, const Finish& finish);
  void decide(OnCuda on, const ProductProblem& problem, Plan& plan, const Finish& finish);
  void measure(OnCuda on, const ProductProblem& problem, Plan& plan,
               const std::vector<Algorithm>& candidates, const Finish& finish);

  std::mutex mutex_;
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
  return {kElementType<T>, kElementType<C>, std::is_same_v<T, float> && tf32_is_allowed()};
}

// By the products of the current device, which live as long as the process.
void multiply(OnCuda on, const ProductProblem& problem, const Operands& operands,
              const Finish& finish = {});

}  // namespace ripieno::kernels::cuda
