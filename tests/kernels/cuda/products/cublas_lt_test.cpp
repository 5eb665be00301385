// Tests what is passed to cuBLASLt. Its descriptors are filled and read back, which works without a
// GPU; the calls that require one are replaced below.
#include <cublasLt.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <vector>

#include "ripieno/kernels/cuda/products/product_library.h"
#include "ripieno/kernels/cuda/products/product_trial.h"
#include "ripieno/kernels/cuda/runtime/recent_work.h"
#include "ripieno/kernels/cuda/runtime/runtime.h"

namespace ripieno::testing {
namespace {

using namespace kernels::cuda;

constexpr std::size_t kWorkspaceBytes = std::size_t{48} << 20;  // that the problems allow
std::size_t device_bytes = 0;

// Results and recorded arguments of the replaced calls.
struct Library {
  std::vector<cublasStatus_t> states = {CUBLAS_STATUS_SUCCESS};  // of the candidates
  cublasStatus_t status = CUBLAS_STATUS_SUCCESS;
  std::size_t workspace_needed = 0;

  int asked_for = 0;
  Alignments preferred;
  uint32_t reductions = 0;
  uint64_t workspace_allowed = 0;
  ProductProblem problem;  // read back from the descriptors
  Operands operands;
  uint64_t algorithm = 0;
};
Library library;

template <typename Value, typename Get, typename Descriptor, typename Attribute>
Value attribute(Get get, Descriptor descriptor, Attribute name) {
  Value value{};
  std::size_t written = 0;
  EXPECT_EQ(get(descriptor, name, &value, sizeof value, &written), CUBLAS_STATUS_SUCCESS);
  EXPECT_EQ(written, sizeof value);
  return value;
}
template <typename Value>
Value of_product(cublasLtMatmulDesc_t product, cublasLtMatmulDescAttributes_t name) {
  return attribute<Value>(cublasLtMatmulDescGetAttribute, product, name);
}
template <typename Value>
Value of_layout(cublasLtMatrixLayout_t layout, cublasLtMatrixLayoutAttribute_t name) {
  return attribute<Value>(cublasLtMatrixLayoutGetAttribute, layout, name);
}
template <typename Value>
Value of_preference(cublasLtMatmulPreference_t preference,
                    cublasLtMatmulPreferenceAttributes_t name) {
  return attribute<Value>(cublasLtMatmulPreferenceGetAttribute, preference, name);
}

ElementType type_of(uint32_t type) {
  if (type == CUDA_R_32F) return ElementType::kFloat32;
  if (type == CUDA_R_64F) return ElementType::kFloat64;
  return type == CUDA_R_16BF ? ElementType::kBFloat16 : ElementType::kFloat16;
}

Epilogue epilogue_of(uint32_t epilogue) {
  if (epilogue == 4) return Epilogue::kBias;
  if (epilogue == 32) return Epilogue::kGelu;
  if (epilogue == 36) return Epilogue::kGeluBias;
  if (epilogue == 160) return Epilogue::kGeluKept;
  if (epilogue == 164) return Epilogue::kGeluBiasKept;
  if (epilogue == 192) return Epilogue::kGeluGradient;
  if (epilogue == 512) return Epilogue::kBiasGradient;
  EXPECT_EQ(epilogue, 1u);
  return Epilogue::kNone;
}

ColumnMajorMatrix matrix_of(cublasLtMatrixLayout_t layout) {
  EXPECT_EQ(of_layout<int32_t>(layout, CUBLASLT_MATRIX_LAYOUT_ORDER), CUBLASLT_ORDER_COL);
  return {static_cast<int64_t>(of_layout<uint64_t>(layout, CUBLASLT_MATRIX_LAYOUT_ROWS)),
          static_cast<int64_t>(of_layout<uint64_t>(layout, CUBLASLT_MATRIX_LAYOUT_COLS)),
          of_layout<int64_t>(layout, CUBLASLT_MATRIX_LAYOUT_LD),
          of_layout<int64_t>(layout, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET)};
}

ElementType type_in(cublasLtMatrixLayout_t layout) {
  return type_of(of_layout<uint32_t>(layout, CUBLASLT_MATRIX_LAYOUT_TYPE));
}

uint32_t alignment_of(const void* memory) {
  const auto address = reinterpret_cast<std::uintptr_t>(memory);
  return address == 0 ? 0 : static_cast<uint32_t>(std::min<std::uintptr_t>(address & -address, 16));
}

// Converts the descriptors back to a problem.
void read_back(cublasLtMatmulDesc_t product, cublasLtMatrixLayout_t left,
               cublasLtMatrixLayout_t right, cublasLtMatrixLayout_t result) {
  ProductProblem& problem = library.problem;
  problem.matrices = {matrix_of(left), matrix_of(right), matrix_of(result),
                      of_layout<int32_t>(result, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT)};
  for (const auto layout : {left, right}) {
    EXPECT_EQ(of_layout<int32_t>(layout, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT),
              problem.matrices.batch);
  }
  problem.matrices.left.transposed =
      of_product<int32_t>(product, CUBLASLT_MATMUL_DESC_TRANSA) == CUBLAS_OP_T;
  problem.matrices.right.transposed =
      of_product<int32_t>(product, CUBLASLT_MATMUL_DESC_TRANSB) == CUBLAS_OP_T;
  EXPECT_EQ(type_in(left), type_in(right));
  const auto sums = of_product<int32_t>(product, CUBLASLT_MATMUL_DESC_COMPUTE_TYPE);
  problem.types = {type_in(left), type_in(result), sums == CUBLAS_COMPUTE_32F_FAST_TF32};
  const bool is_double = problem.types.elements == ElementType::kFloat64;
  EXPECT_EQ(sums, is_double            ? CUBLAS_COMPUTE_64F
                  : problem.types.tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32
                                       : CUBLAS_COMPUTE_32F);
  EXPECT_EQ(of_product<int32_t>(product, CUBLASLT_MATMUL_DESC_SCALE_TYPE),
            is_double ? CUDA_R_64F : CUDA_R_32F);
  problem.epilogue = epilogue_of(of_product<uint32_t>(product, CUBLASLT_MATMUL_DESC_EPILOGUE));
  library.operands.bias = of_product<void*>(product, CUBLASLT_MATMUL_DESC_BIAS_POINTER);
  library.operands.before_activation =
      of_product<void*>(product, CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_POINTER);
  problem.alignments.bias = alignment_of(library.operands.bias);
  problem.alignments.before_activation = alignment_of(library.operands.before_activation);
  if (problem.alignments.bias > 0) {
    EXPECT_EQ(of_product<int32_t>(product, CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE),
              static_cast<int32_t>(of_layout<uint32_t>(result, CUBLASLT_MATRIX_LAYOUT_TYPE)));
  }
  if (problem.alignments.before_activation > 0) {
    EXPECT_EQ(of_product<int64_t>(product, CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_LD),
              problem.matrices.result.leading);
  }
}

double scale_of(const void* scale) {
  if (library.problem.types.elements == ElementType::kFloat64) {
    return *static_cast<const double*>(scale);
  }
  return static_cast<double>(*static_cast<const float*>(scale));
}

}  // namespace
}  // namespace ripieno::testing

using ripieno::testing::library;
using ripieno::testing::read_back;
using ripieno::testing::scale_of;

extern "C" {

cublasStatus_t cublasLtCreate(cublasLtHandle_t* handle) {
  static int something = 0;
  *handle = reinterpret_cast<cublasLtHandle_t>(&something);
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtDestroy(cublasLtHandle_t) { return CUBLAS_STATUS_SUCCESS; }

cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t, cublasLtMatmulDesc_t product,
                                              cublasLtMatrixLayout_t left,
                                              cublasLtMatrixLayout_t right,
                                              cublasLtMatrixLayout_t result, cublasLtMatrixLayout_t,
                                              cublasLtMatmulPreference_t preference, int most,
                                              cublasLtMatmulHeuristicResult_t guesses[],
                                              int* count) {
  using ripieno::testing::of_preference;
  library.asked_for = most;
  read_back(product, left, right, result);
  library.preferred = {
      of_preference<uint32_t>(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES),
      of_preference<uint32_t>(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES),
      of_preference<uint32_t>(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES)};
  library.reductions =
      of_preference<uint32_t>(preference, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK);
  library.workspace_allowed =
      of_preference<uint64_t>(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES);
  *count = std::min(most, static_cast<int>(library.states.size()));
  for (int i = 0; i < *count; ++i) {
    guesses[i].state = library.states[static_cast<std::size_t>(i)];
    guesses[i].algo.data[0] = static_cast<uint64_t>(i) + 1;
  }
  return library.status;
}

cublasStatus_t cublasLtMatmulAlgoCheck(cublasLtHandle_t, cublasLtMatmulDesc_t product,
                                       cublasLtMatrixLayout_t left, cublasLtMatrixLayout_t right,
                                       cublasLtMatrixLayout_t result, cublasLtMatrixLayout_t,
                                       const cublasLtMatmulAlgo_t* algorithm,
                                       cublasLtMatmulHeuristicResult_t* found) {
  read_back(product, left, right, result);
  library.algorithm = algorithm->data[0];
  found->workspaceSize = library.workspace_needed;
  return library.status;
}

cublasStatus_t cublasLtMatmul(cublasLtHandle_t, cublasLtMatmulDesc_t product, const void* alpha,
                              const void* a, cublasLtMatrixLayout_t left, const void* b,
                              cublasLtMatrixLayout_t right, const void* beta, const void* c,
                              cublasLtMatrixLayout_t added, void* d, cublasLtMatrixLayout_t result,
                              const cublasLtMatmulAlgo_t* algorithm, void* workspace,
                              std::size_t workspace_bytes, cudaStream_t) {
  read_back(product, left, right, result);
  EXPECT_EQ(scale_of(alpha), 1.0);
  library.problem.accumulate = scale_of(beta) == 1.0;
  EXPECT_TRUE(library.problem.accumulate || scale_of(beta) == 0.0);
  EXPECT_EQ(c, d);
  EXPECT_EQ(added, result);
  library.operands.left = a;
  library.operands.right = b;
  library.operands.result = d;
  library.algorithm = algorithm->data[0];
  EXPECT_NE(workspace, nullptr);
  EXPECT_EQ(workspace_bytes, ripieno::testing::kWorkspaceBytes);
  return library.status;
}

}  // extern "C"

namespace ripieno::kernels::cuda {

void* allocate(std::size_t) { return new char; }
void deallocate(void* memory) noexcept { delete static_cast<char*>(memory); }
std::unique_ptr<Trial> make_trial(OnCuda, const ProductProblem&, std::size_t) { return nullptr; }
MemoryInfo memory_info() { return {0, testing::device_bytes}; }
void check(cudaError_t, std::string_view) {}
std::string name_of_stream(CUstream_st*) { return "a stream"; }

}  // namespace ripieno::kernels::cuda

namespace ripieno::testing {
namespace {

class CublasLt : public ::testing::Test {
 protected:
  CublasLt() { ::ripieno::testing::library = {}; }

  std::unique_ptr<ProductLibrary> products = make_product_library();
};

// Pointers with a given address; they are never dereferenced.
template <typename Pointer = void>
Pointer* at(std::uintptr_t address) {
  return reinterpret_cast<Pointer*>(address);
}

ProductProblem some_problem(Epilogue epilogue, ProductTypes types = {}) {
  const kernels::MatmulShape shape{.m = 24,
                                   .n = 32,
                                   .k = 40,
                                   .transpose_a = true,
                                   .lda = 25,
                                   .ldb = 33,
                                   .ldc = 48,
                                   .batch = epilogue == Epilogue::kNone ? 3 : 1,
                                   .stride_a = 1000,
                                   .stride_b = 2000,
                                   .stride_c = 3000};
  return {.matrices = column_major(shape),
          .types = types,
          .epilogue = epilogue,
          .workspace_bytes = kWorkspaceBytes};
}

Operands operands_of(Epilogue epilogue) {
  const bool has_bias = epilogue == Epilogue::kBias || epilogue == Epilogue::kGeluBias ||
                        epilogue == Epilogue::kGeluBiasKept || epilogue == Epilogue::kBiasGradient;
  const bool has_before = epilogue == Epilogue::kGeluKept || epilogue == Epilogue::kGeluBiasKept ||
                          epilogue == Epilogue::kGeluGradient;
  return {.result = at(0x1100),
          .left = at(0x2010),
          .right = at(0x3004),
          .bias = has_bias ? at(0x4020) : nullptr,
          .before_activation = has_before ? at(0x5040) : nullptr};
}

constexpr Epilogue kEpilogues[] = {
    Epilogue::kNone,     Epilogue::kBias,         Epilogue::kGelu,         Epilogue::kGeluBias,
    Epilogue::kGeluKept, Epilogue::kGeluBiasKept, Epilogue::kGeluGradient, Epilogue::kBiasGradient};

TEST_F(CublasLt, ReceivesEveryProblemCorrectly) {
  const ElementType f32 = ElementType::kFloat32, f64 = ElementType::kFloat64;
  const ElementType bf16 = ElementType::kBFloat16, f16 = ElementType::kFloat16;
  for (const ProductTypes& types : {ProductTypes{f32, f32, false},
                                    {f32, f32, true},
                                    {f64, f64},
                                    {bf16, bf16},
                                    {bf16, f32},
                                    {f16, f16},
                                    {f16, f32}}) {
    for (const Epilogue epilogue : kEpilogues) {
      for (const bool accumulate : {false, true}) {
        const Operands operands = operands_of(epilogue);
        ProductProblem problem = aligned_as(some_problem(epilogue, types), operands);
        problem.accumulate = accumulate;
        products->product(problem)->run({}, Algorithm{{7}}, operands);
        library.problem.alignments.left = problem.alignments.left;
        library.problem.alignments.right = problem.alignments.right;
        library.problem.alignments.result = problem.alignments.result;
        library.problem.workspace_bytes = problem.workspace_bytes;
        EXPECT_EQ(key_of(library.problem), key_of(problem));
        EXPECT_EQ(library.operands.left, operands.left);
        EXPECT_EQ(library.operands.right, operands.right);
        EXPECT_EQ(library.operands.result, operands.result);
        EXPECT_EQ(library.operands.bias, operands.bias);
        EXPECT_EQ(library.operands.before_activation, operands.before_activation);
        EXPECT_EQ(library.algorithm, 7u);
      }
    }
  }
}

TEST_F(CublasLt, CandidatesRespectAlignmentAndAreReproducible) {
  const Operands operands = operands_of(Epilogue::kGeluBiasKept);
  const ProductProblem problem = aligned_as(some_problem(Epilogue::kGeluBiasKept), operands);
  EXPECT_EQ(products->product(problem)->candidates(16).size(), 1u);
  EXPECT_EQ(library.asked_for, 16);
  EXPECT_EQ(library.preferred.left, 16u);
  EXPECT_EQ(library.preferred.right, 4u);
  EXPECT_EQ(library.preferred.result, 16u);
  EXPECT_EQ(library.problem.alignments.bias, 16u);
  EXPECT_EQ(library.problem.alignments.before_activation, 16u);
  EXPECT_EQ(library.reductions, uint32_t{CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE});
  EXPECT_EQ(library.workspace_allowed, kWorkspaceBytes);
}

TEST_F(CublasLt, AllowsALargerWorkspaceOnALargeDevice) {
  device_bytes = std::size_t{24} << 30;
  EXPECT_EQ(make_product_library()->workspace_bytes(), std::size_t{32} << 20);
  device_bytes = std::size_t{141} << 30;
  EXPECT_EQ(make_product_library()->workspace_bytes(), std::size_t{128} << 20);
}

TEST_F(CublasLt, InvalidCandidatesAreSkipped) {
  library.states = {CUBLAS_STATUS_SUCCESS, CUBLAS_STATUS_NOT_SUPPORTED, CUBLAS_STATUS_SUCCESS};
  const auto candidates =
      products->product(aligned_as(some_problem(Epilogue::kNone), operands_of(Epilogue::kNone)))
          ->candidates(16);
  EXPECT_EQ(candidates, (std::vector<Algorithm>{{{1}}, {{3}}}));
}

TEST_F(CublasLt, HasNoCandidateForUnsupportedEpilogues) {
  const auto product =
      products->product(aligned_as(some_problem(Epilogue::kBias), operands_of(Epilogue::kBias)));
  library.status = CUBLAS_STATUS_NOT_SUPPORTED;
  EXPECT_TRUE(product->candidates(16).empty());
  library.status = CUBLAS_STATUS_INVALID_VALUE;
  EXPECT_TRUE(product->candidates(16).empty());
  library.status = CUBLAS_STATUS_INTERNAL_ERROR;
  EXPECT_THROW(product->candidates(16), CudaError);
}

TEST_F(CublasLt, ReportsErrorsOfPlainProducts) {
  const auto product =
      products->product(aligned_as(some_problem(Epilogue::kNone), operands_of(Epilogue::kNone)));
  library.status = CUBLAS_STATUS_INVALID_VALUE;
  EXPECT_THROW(product->candidates(16), CudaError);
}

TEST_F(CublasLt, AcceptsAnAlgorithmThatFitsIncludingItsWorkspace) {
  const auto product =
      products->product(aligned_as(some_problem(Epilogue::kBias), operands_of(Epilogue::kBias)));
  EXPECT_TRUE(product->accepts({{5}}));
  EXPECT_EQ(library.algorithm, 5u);
  library.workspace_needed = kWorkspaceBytes + 1;
  EXPECT_FALSE(product->accepts({{5}}));
  library.workspace_needed = 0;
  library.status = CUBLAS_STATUS_ARCH_MISMATCH;
  EXPECT_FALSE(product->accepts({{5}}));
}

TEST_F(CublasLt, NamesTheProductThatFails) {
  const Operands operands = operands_of(Epilogue::kGeluBias);
  const auto product = products->product(aligned_as(some_problem(Epilogue::kGeluBias), operands));
  library.status = CUBLAS_STATUS_EXECUTION_FAILED;
  try {
    product->run({}, {}, operands);
    FAIL() << "did not throw";
  } catch (const CudaError& error) {
    EXPECT_STREQ(
        error.what(),
        "matmul (24, 40) x (40, 32), float32, bias + GELU, on a stream: cublasLtMatmul: the "
        "function failed to launch on the GPU");
  }
}

}  // namespace
}  // namespace ripieno::testing
