// The ProductLibrary of the emulated GPU, which calls the CPU kernels.
#include "ripieno/kernels/activation.h"
#include "ripieno/kernels/cuda/products/product_library.h"
#include "ripieno/kernels/cuda/runtime/check.h"
#include "ripieno/kernels/element_types.h"
#include "ripieno/kernels/emulator/enqueue.h"
#include "ripieno/kernels/matmul.h"
#include "ripieno/kernels/matmul_algorithms.h"
#include "ripieno/kernels/reduce.h"

namespace ripieno::kernels {
namespace cuda {
namespace {

// The row-major product that is equal to a column-major one: a is right, b is left.
MatmulShape row_major(const ColumnMajorProduct& product) {
  const auto& [left, right, result, batch] = product;
  return {.m = result.cols,
          .n = result.rows,
          .k = inner_size_of(product),
          .transpose_a = right.transposed,
          .transpose_b = left.transposed,
          .lda = right.leading,
          .ldb = left.leading,
          .ldc = result.leading,
          .batch = batch,
          .stride_a = right.stride,
          .stride_b = left.stride,
          .stride_c = result.stride};
}

Activation activation_of(Epilogue epilogue) {
  return epilogue == Epilogue::kNone || epilogue == Epilogue::kBias ? Activation::kNone
                                                                    : Activation::kGeluTanh;
}

template <typename T>
void multiply_as(const ProductProblem& problem, const Operands& operands) {
  const MatmulShape shape = row_major(problem.matrices);
  auto* const result = static_cast<T*>(operands.result);
  auto* const bias = static_cast<T*>(operands.bias);
  auto* const before = static_cast<T*>(operands.before_activation);
  const auto* const a = static_cast<const T*>(operands.right);
  const auto* const b = static_cast<const T*>(operands.left);
  switch (problem.epilogue) {
    case Epilogue::kNone:
      if (problem.types.result != problem.types.elements) {
        auto* const sums = static_cast<accumulator_t<T>*>(operands.result);
        return matmul_to_float(OnCpu{}, sums, a, b, shape, problem.accumulate);
      }
      return matmul(OnCpu{}, result, a, b, shape, problem.accumulate);
    case Epilogue::kGeluGradient:
      matmul(OnCpu{}, result, a, b, shape, false);
      for (int64_t row = 0; row < shape.m; ++row) {
        T* const at = result + row * shape.ldc;
        activation_backward(OnCpu{}, at, at, before + row * shape.ldc, shape.n,
                            Activation::kGeluTanh);
      }
      return;
    case Epilogue::kBiasGradient:
      matmul(OnCpu{}, result, a, b, shape, problem.accumulate);
      return reduce(OnCpu{}, bias, a, nullptr, {1, shape.k, shape.m}, Reduction::kSum, 1.0, false);
    default:
      return matmul_bias_activation(OnCpu{}, result, before, a, b, bias, shape,
                                    activation_of(problem.epilogue));
  }
}

void multiply(const ProductProblem& problem, const Operands& operands) {
  switch (problem.types.elements) {
    case ElementType::kFloat32:
      return multiply_as<float>(problem, operands);
    case ElementType::kFloat64:
      return multiply_as<double>(problem, operands);
    case ElementType::kBFloat16:
      return multiply_as<bfloat16>(problem, operands);
    default:
      return multiply_as<float16>(problem, operands);
  }
}

class EmulatedProduct final : public LibraryProduct {
 public:
  explicit EmulatedProduct(const ProductProblem& problem) : problem_(problem) {}

  std::vector<Algorithm> candidates(int) override { return {Algorithm{}}; }
  bool accepts(const Algorithm& algorithm) override { return algorithm == Algorithm{}; }
  void run(OnCuda on, const Algorithm&, const Operands& operands) override {
    const auto run = [problem = problem_, operands] { multiply(problem, operands); };
    check(simt::enqueue("product", on.stream, run), "product");
  }

 private:
  ProductProblem problem_;
};

class EmulatedLibrary final : public ProductLibrary {
 public:
  std::string identity() override { return "emulated"; }
  std::size_t workspace_bytes() override { return 0; }
  std::unique_ptr<LibraryProduct> product(const ProductProblem& problem) override {
    return std::make_unique<EmulatedProduct>(problem);
  }
  std::unique_ptr<Trial> trial(OnCuda, const ProductProblem&) override { return nullptr; }
};

}  // namespace

std::unique_ptr<ProductLibrary> make_product_library() {
  return std::make_unique<EmulatedLibrary>();
}
int current_product_device() {
  int device = 0;
  cudaGetDevice(&device);
  return device;
}

}  // namespace cuda

std::string matmul_library() { return "the emulator's CPU kernels"; }

}  // namespace ripieno::kernels
