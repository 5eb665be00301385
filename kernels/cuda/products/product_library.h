// ProductLibrary: what we ask of a library of matrix products, which is cuBLASLt on a GPU; tests
// put others in its place. Private to kernels/cuda.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "ripieno/kernels/cuda/products/product.h"
#include "ripieno/kernels/execution.h"

namespace ripieno::kernels::cuda {

// One of a library's ways to compute a product: its own bits, which may be kept for as long as the
// library's version stays.
struct Algorithm {
  std::array<uint64_t, 8> words{};

  auto operator<=>(const Algorithm&) const = default;
};

// One problem, as the library knows it. Calls are made by one thread at a time.
class LibraryProduct {
 public:
  virtual ~LibraryProduct() = default;
  // At most `most` ways that give the same bits each time, the library's best guess first. Empty
  // where it has none.
  virtual std::vector<Algorithm> candidates(int most) = 0;
  // Whether an algorithm that was kept fits this problem here and now.
  virtual bool accepts(const Algorithm& algorithm) = 0;
  // Enqueues the product. Throws CudaError.
  virtual void run(OnCuda on, const Algorithm& algorithm, const Operands& operands) = 0;
};

// Memory of the problem's sizes, filled with random numbers, to try it out on.
class Trial {
 public:
  virtual ~Trial() = default;
  // What `work` takes, with caches that hold none of the operands. Waits for it.
  virtual double seconds(const std::function<void(OnCuda, const Operands&)>& work) = 0;
};

class ProductLibrary {
 public:
  virtual ~ProductLibrary() = default;
  // Device, driver and library, with versions, on one line: algorithms and times hold for these.
  virtual std::string identity() = 0;
  virtual std::unique_ptr<LibraryProduct> product(const ProductProblem& problem) = 0;
  // Null where nothing can be measured. Throws CudaError, where memory is short too.
  virtual std::unique_ptr<Trial> trial(OnCuda on, const ProductProblem& problem) = 0;
};

// Of the current device. Throws CudaError.
std::unique_ptr<ProductLibrary> make_product_library();
int current_product_device();

}  // namespace ripieno::kernels::cuda
