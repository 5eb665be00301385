#include "kernels/cuda/products/interpreted_library.h"

#include <cmath>

#include "ripieno/kernels/cuda/products/product_library.h"
#include "ripieno/kernels/cuda/runtime/check.h"
#include "ripieno/kernels/element_types.h"
#include "ripieno/kernels/emulator/enqueue.h"

namespace ripieno::testing {
namespace {

using namespace kernels::cuda;
using kernels::bfloat16;
using kernels::float16;

double read(const void* memory, int64_t i, ElementType type) {
  switch (type) {
    case ElementType::kFloat32:
      return static_cast<const float*>(memory)[i];
    case ElementType::kFloat64:
      return static_cast<const double*>(memory)[i];
    case ElementType::kBFloat16:
      return static_cast<double>(static_cast<float>(static_cast<const bfloat16*>(memory)[i]));
    default:
      return static_cast<double>(static_cast<float>(static_cast<const float16*>(memory)[i]));
  }
}

void write(void* memory, int64_t i, ElementType type, double value) {
  switch (type) {
    case ElementType::kFloat32:
      static_cast<float*>(memory)[i] = static_cast<float>(value);
      return;
    case ElementType::kFloat64:
      static_cast<double*>(memory)[i] = value;
      return;
    case ElementType::kBFloat16:
      static_cast<bfloat16*>(memory)[i] = bfloat16(static_cast<float>(value));
      return;
    default:
      static_cast<float16*>(memory)[i] = float16(static_cast<float>(value));
  }
}

double gelu(double x) {
  return 0.5 * x * (1.0 + std::tanh(std::sqrt(2.0 / M_PI) * (x + 0.044715 * x * x * x)));
}
double gelu_slope(double x) {
  const double h = 1e-5;
  return (gelu(x + h) - gelu(x - h)) / (2 * h);
}

// D = epilogue(op(A) op(B) + beta C), with matrices as in cuBLASLt's layouts.
class Interpreter {
 public:
  Interpreter(const ProductProblem& problem, const Operands& operands)
      : p_(problem), o_(operands), inner_(inner_size_of(problem.matrices)) {}

  void run() const {
    const auto& d = p_.matrices.result;
    for (int64_t batch = 0; batch < p_.matrices.batch; ++batch) {
      for (int64_t col = 0; col < d.cols; ++col) {
        for (int64_t row = 0; row < d.rows; ++row) finish(batch, row, col);
      }
    }
    if (p_.epilogue != Epilogue::kBiasGradient) return;
    for (int64_t col = 0; col < d.cols; ++col) {
      double sum = 0;
      for (int64_t i = 0; i < inner_; ++i) sum += of(p_.matrices.right, o_.right, 0, i, col);
      write(o_.bias, col, p_.types.result, sum);
    }
  }

 private:
  // One element of op(matrix).
  double of(const ColumnMajorMatrix& matrix, const void* memory, int64_t batch, int64_t row,
            int64_t col) const {
    if (matrix.transposed) std::swap(row, col);
    return read(memory, batch * matrix.stride + col * matrix.leading + row, p_.types.elements);
  }

  double product(int64_t batch, int64_t row, int64_t col) const {
    double sum = 0;
    for (int64_t i = 0; i < inner_; ++i) {
      sum += of(p_.matrices.left, o_.left, batch, row, i) *
             of(p_.matrices.right, o_.right, batch, i, col);
    }
    return sum;
  }

  void finish(int64_t batch, int64_t row, int64_t col) const {
    const auto& d = p_.matrices.result;
    const ElementType type = p_.types.result;
    const int64_t at = batch * d.stride + col * d.leading + row;
    double value = product(batch, row, col);
    if (p_.accumulate) value += read(o_.result, at, type);
    switch (p_.epilogue) {
      case Epilogue::kBias:
        value += read(o_.bias, row, type);
        break;
      case Epilogue::kGeluBias:
      case Epilogue::kGeluBiasKept:
        value += read(o_.bias, row, type);
        [[fallthrough]];
      case Epilogue::kGelu:
      case Epilogue::kGeluKept:
        if (o_.before_activation) write(o_.before_activation, col * d.leading + row, type, value);
        value = gelu(value);
        break;
      case Epilogue::kGeluGradient:
        value *= gelu_slope(read(o_.before_activation, col * d.leading + row, type));
        break;
      default:
        break;
    }
    write(o_.result, at, type, value);
  }

  const ProductProblem& p_;
  const Operands& o_;
  int64_t inner_;
};

class InterpretedProduct final : public LibraryProduct {
 public:
  explicit InterpretedProduct(const ProductProblem& problem) : problem_(problem) {}

  std::vector<Algorithm> candidates(int) override {
    if (problem_.epilogue != Epilogue::kNone && !interpreted_library().has_epilogues) return {};
    return {Algorithm{}};
  }
  bool accepts(const Algorithm&) override { return true; }
  void run(kernels::OnCuda on, const Algorithm&, const Operands& operands) override {
    const bool without_gelu = problem_.epilogue == Epilogue::kNone ||
                              problem_.epilogue == Epilogue::kBias ||
                              problem_.epilogue == Epilogue::kBiasGradient;
    if (problem_.epilogue != Epilogue::kNone) ++interpreted_library().products_with_epilogue;
    if (!without_gelu) ++interpreted_library().products_with_gelu;
    const auto work = [problem = problem_, operands] { Interpreter(problem, operands).run(); };
    check(simt::enqueue("product", on.stream, work), "product");
  }

 private:
  ProductProblem problem_;
};

class InterpretedLibrary final : public ProductLibrary {
 public:
  std::string identity() override { return "interpreted"; }
  std::size_t workspace_bytes() override { return 0; }
  std::unique_ptr<LibraryProduct> product(const ProductProblem& problem) override {
    return std::make_unique<InterpretedProduct>(problem);
  }
  std::unique_ptr<Trial> trial(kernels::OnCuda, const ProductProblem&) override { return nullptr; }
};

}  // namespace

InterpretedLibrarySettings& interpreted_library() {
  static InterpretedLibrarySettings settings;
  return settings;
}

}  // namespace ripieno::testing

namespace ripieno::kernels::cuda {

std::unique_ptr<ProductLibrary> make_product_library() {
  return std::make_unique<testing::InterpretedLibrary>();
}
int current_product_device() { return testing::interpreted_library().has_epilogues ? 0 : 1; }

}  // namespace ripieno::kernels::cuda
