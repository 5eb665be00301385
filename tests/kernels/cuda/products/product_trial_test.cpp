#include "ripieno/kernels/cuda/products/product_trial.h"

#include <cmath>
#include <vector>

#include "kernel_test.h"
#include "ripieno/kernels/cuda/runtime/runtime.h"

namespace ripieno::testing {
namespace {

using namespace kernels::cuda;

class ProductTrial : public KernelTest {};
INSTANTIATE_TEST_SUITE_P(Cuda, ProductTrial, device_runs(), run_name);

constexpr std::size_t kFlush = 4096;

ProductProblem problem_with(Epilogue epilogue, ElementType type, bool bias, bool before) {
  const kernels::MatmulShape shape{
      .m = 9, .n = 16, .k = 5, .transpose_a = true, .lda = 11, .ldb = 17, .ldc = 24};
  return {.matrices = column_major(shape),
          .types = {type, type},
          .epilogue = epilogue,
          .alignments = {256, 256, 256, bias ? 16u : 0u, before ? 16u : 0u}};
}

// The emulated device reports accesses past the end of an operand.
TEST_P(ProductTrial, AllocatesAllMemoryThatAProductAccesses) {
  const auto library = make_product_library();
  for (const auto type : {ElementType::kFloat32, ElementType::kBFloat16, ElementType::kFloat16}) {
    for (const auto& problem : {problem_with(Epilogue::kNone, type, false, false),
                                problem_with(Epilogue::kBias, type, true, false),
                                problem_with(Epilogue::kGeluBiasKept, type, true, true),
                                problem_with(Epilogue::kGeluGradient, type, false, true),
                                problem_with(Epilogue::kBiasGradient, type, true, false)}) {
      const auto product = library->product(problem);
      const auto candidates = product->candidates(1);
      if (candidates.empty()) continue;
      const auto trial = make_trial(OnCuda{}, problem, kFlush);
      EXPECT_GE(trial->seconds([&](OnCuda on, const Operands& operands) {
        product->run(on, candidates[0], operands);
      }),
                0.0);
    }
  }
}

TEST_P(ProductTrial, UsesRandomNumbers) {
  const ProductProblem problem = problem_with(Epilogue::kNone, ElementType::kFloat32, false, false);
  std::vector<float> left(static_cast<std::size_t>(extent_of(problem.matrices.left, 1)));
  const auto trial = make_trial(OnCuda{}, problem, kFlush);
  trial->seconds([&](OnCuda, const Operands& operands) {
    copy_on_device(left.data(), operands.left, left.size() * sizeof(float));
  });
  double squares = 0;
  for (const float value : left) squares += static_cast<double>(value) * static_cast<double>(value);
  EXPECT_NEAR(squares / static_cast<double>(left.size()), 1.0, 0.5);
}

TEST_P(ProductTrial, OfTooMuchMemoryThrows) {
  ProductProblem problem = problem_with(Epilogue::kNone, ElementType::kFloat32, false, false);
  problem.matrices.left.leading = int64_t{1} << 50;
  EXPECT_THROW(make_trial(OnCuda{}, problem, kFlush), CudaError);
}

}  // namespace
}  // namespace ripieno::testing
