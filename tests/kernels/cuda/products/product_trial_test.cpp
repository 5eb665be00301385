#include "ripieno/kernels/cuda/products/product_trial.h"

#include <gmock/gmock.h>

#include <cmath>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "kernel_test.h"
#include "ripieno/kernels/cuda/products/products.h"
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
          .alignments = {16, 16, 16, bias ? 16u : 0u, before ? 16u : 0u}};
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

// A product, and a change of its results afterwards.
struct Computed {
  std::unique_ptr<LibraryProduct> product;
  std::function<void(const Operands&)> change = [](const Operands&) {};

  void operator()(OnCuda on, const Operands& operands) const {
    product->run(on, product->candidates(1)[0], operands);
    change(operands);
  }
};

// Negates a matrix's element in device memory.
template <typename T>
void negate(void* memory, int64_t at) {
  T value;
  T* const element = static_cast<T*>(memory) + at;
  copy_on_device(&value, element, sizeof(T));
  value = static_cast<T>(-static_cast<accumulator_t<T>>(value));
  copy_on_device(element, &value, sizeof(T));
}

template <typename T>
std::vector<ProductProblem> plain_problems() {
  ProductProblem one = problem_with(Epilogue::kNone, kElementType<T>, false, false);
  std::vector<ProductProblem> all(3, one);
  all[1].accumulate = true;
  all[2].matrices = column_major({.m = 9,
                                  .n = 16,
                                  .k = 5,
                                  .transpose_b = true,
                                  .lda = 6,
                                  .ldb = 7,
                                  .ldc = 16,
                                  .batch = 3,
                                  .stride_a = 60,
                                  .stride_b = 120,
                                  .stride_c = 150});
  return all;
}

TEST_P(ProductTrial, AcceptsARightProductAndFindsAWrongElement) {
  const auto library = make_product_library();
  for_each_float_type([&]<typename T>(Type<T>) {
    for (const ProductProblem& problem : plain_problems<T>()) {
      SCOPED_TRACE(key_of(problem));
      const auto trial = make_trial(OnCuda{}, problem, kFlush);
      Computed computed{library->product(problem)};
      EXPECT_EQ(trial->difference(std::cref(computed)), "");
      const auto& [left, right, result, batch] = problem.matrices;
      const int64_t last = extent_of(result, batch) - 1;
      computed.change = [&](const Operands& o) { negate<T>(o.result, last); };
      EXPECT_EQ(trial->difference(std::cref(computed)),
                "1 of " + std::to_string(batch * result.cols) + " columns");
    }
  });
}

TEST_P(ProductTrial, FindsAProductThatDoesNotAdd) {
  const auto library = make_product_library();
  ProductProblem problem = problem_with(Epilogue::kNone, ElementType::kBFloat16, false, false);
  Computed computed{library->product(problem)};
  problem.accumulate = true;
  EXPECT_NE(make_trial(OnCuda{}, problem, kFlush)->difference(std::cref(computed)), "");
}

TEST_P(ProductTrial, ComparesAllResultsOfAnEpilogueWithThoseOfTheSteps) {
  const auto library = make_product_library();
  for (const auto& [problem, change] :
       std::vector<std::pair<ProductProblem, std::function<void(const Operands&)>>>{
           {problem_with(Epilogue::kBias, ElementType::kBFloat16, true, false),
            [](const Operands& o) { negate<bfloat16>(o.result, 0); }},
           {problem_with(Epilogue::kGeluBiasKept, ElementType::kBFloat16, true, true),
            [](const Operands& o) { negate<bfloat16>(o.before_activation, 3); }},
           {problem_with(Epilogue::kBiasGradient, ElementType::kBFloat16, true, false),
            [](const Operands& o) { negate<bfloat16>(o.bias, 8); }}}) {
    SCOPED_TRACE(key_of(problem));
    const auto trial = make_trial(OnCuda{}, problem, kFlush);
    Computed computed{library->product(problem)};
    trial->expect(std::cref(computed));
    EXPECT_EQ(trial->difference(std::cref(computed)), "");
    computed.change = change;
    EXPECT_THAT(trial->difference(std::cref(computed)), ::testing::StartsWith("1 of "));
  }
}

TEST_P(ProductTrial, FindsResultsThatAreNotNumbers) {
  const auto library = make_product_library();
  const ProductProblem problem = problem_with(Epilogue::kNone, ElementType::kFloat32, false, false);
  Computed computed{library->product(problem)};
  computed.change = [](const Operands& o) {
    const float nan = NAN;
    copy_on_device(o.result, &nan, sizeof(nan));
  };
  EXPECT_EQ(make_trial(OnCuda{}, problem, kFlush)->difference(std::cref(computed)),
            "1 of 9 columns");
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
