#include "ripieno/kernels/cuda/products.h"

#include <map>
#include <memory>
#include <mutex>
#include <optional>

#include "ripieno/kernels/cuda/runtime.h"

namespace ripieno::kernels::cuda {
namespace {

ProductProblem without_epilogue(ProductProblem problem) {
  problem.epilogue = Epilogue::kNone;
  problem.alignments.bias = problem.alignments.before_activation = 0;
  return problem;
}

// The products of one device.
class Products {
 public:
  explicit Products(std::unique_ptr<ProductLibrary> library) : library_(std::move(library)) {}

  void multiply(OnCuda on, const ProductProblem& problem, const Operands& operands,
                const Finish& finish) {
    const std::lock_guard lock(mutex_);
    if (Plan& plan = plan_of(problem); plan.algorithm) {
      plan.product->run(on, *plan.algorithm, operands);
      return;
    }
    const ProductProblem plain = without_epilogue(problem);
    Plan& plan = plan_of(plain);
    if (!plan.algorithm) throw CudaError(describe(plain) + ": the library has no algorithm for it");
    plan.product->run(on, *plan.algorithm, operands);
    if (finish) finish(on, operands);
  }

 private:
  struct Plan {
    std::unique_ptr<LibraryProduct> product;
    std::optional<Algorithm> algorithm;  // none: the library can't
  };

  Plan& plan_of(const ProductProblem& problem) {
    const auto found = plans_.find(problem);
    if (found != plans_.end()) return found->second;
    Plan plan;
    if (may_be_fused(problem)) {
      plan.product = library_->product(problem);
      const auto candidates = plan.product->candidates(1);
      if (!candidates.empty()) plan.algorithm = candidates.front();
    }
    return plans_.emplace(problem, std::move(plan)).first->second;
  }

  std::mutex mutex_;
  std::unique_ptr<ProductLibrary> library_;
  std::map<ProductProblem, Plan> plans_;
};

Products& of_current_device() {
  static std::mutex mutex;
  // Never destroyed: at exit the driver may be gone before us.
  static auto& devices = *new std::map<int, std::unique_ptr<Products>>;
  const std::lock_guard lock(mutex);
  auto& products = devices[current_product_device()];
  if (!products) products = std::make_unique<Products>(make_product_library());
  return *products;
}

}  // namespace

void multiply(OnCuda on, ProductProblem problem, const Operands& operands, const Finish& finish) {
  of_current_device().multiply(on, aligned_as(problem, operands), operands, finish);
}

}  // namespace ripieno::kernels::cuda
