// ProductLibrary: interface to a library of matrix products. On a GPU it is cuBLASLt; tests have
// other implementations. Private to kernels/cuda.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "ripieno/kernels/cuda/products/product.h"
#include "ripieno/kernels/execution.h"

namespace ripieno::kernels::cuda {

// An algorithm of the library in its binary form, which remains valid for the same version of the
// library.
struct Algorithm {
  std::array<uint64_t, 8> words{};

  auto operator<=>(const Algorithm&) const = default;
};

// One problem, prepared by the library. Not thread-safe.
class LibraryProduct {
 public:
  virtual ~LibraryProduct() = default;
  // At most `most` reproducible algorithms, the best by the library's heuristic first. Empty if it
  // has none.
  virtual std::vector<Algorithm> candidates(int most) = 0;
  // Whether an algorithm from an earlier process can compute this problem.
  virtual bool accepts(const Algorithm& algorithm) = 0;
  // Enqueues the product. Throws CudaError.
  virtual void run(OnCuda on, const Algorithm& algorithm, const Operands& operands) = 0;
};

// Computes a problem with given operands.
using Work = std::function<void(OnCuda, const Operands&)>;

// Operands of a problem's size, filled with random numbers, to check and measure algorithms with.
// All functions wait for the work.
class Trial {
 public:
  virtual ~Trial() = default;
  // Keeps the results of `steps`, a plain product and built-in kernels, for difference(). For
  // problems with an epilogue.
  virtual void expect(const Work& steps) = 0;
  // Empty if the results of `work` agree with those that are expected; for a problem without an
  // epilogue, with sums over its factors, which a built-in kernel computes. Otherwise says how many
  // differ: "12 of 4096 elements".
  virtual std::string difference(const Work& work) = 0;
  // Time of `work` with operands that are not in the caches.
  virtual double seconds(const Work& work) = 0;
};

class ProductLibrary {
 public:
  virtual ~ProductLibrary() = default;
  // One line: device, driver and library with versions. Algorithms and times are valid for it only.
  virtual std::string identity() = 0;
  // The largest workspace of its algorithms on this device.
  virtual std::size_t workspace_bytes() = 0;
  virtual std::unique_ptr<LibraryProduct> product(const ProductProblem& problem) = 0;
  // Null if nothing can be measured. Throws CudaError, also if there is not enough memory.
  virtual std::unique_ptr<Trial> trial(OnCuda on, const ProductProblem& problem) = 0;
};

// The library for the current device. Throws CudaError.
std::unique_ptr<ProductLibrary> make_product_library();
int current_product_device();

}  // namespace ripieno::kernels::cuda
