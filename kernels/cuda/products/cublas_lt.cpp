// The ProductLibrary that calls cuBLASLt.
#include <cublasLt.h>
#include <cuda_runtime_api.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <type_traits>

#include "ripieno/kernels/cuda/products/product_library.h"
#include "ripieno/kernels/cuda/products/product_trial.h"
#include "ripieno/kernels/cuda/runtime/check.h"
#include "ripieno/kernels/cuda/runtime/recent_work.h"
#include "ripieno/kernels/cuda/runtime/runtime.h"
#include "ripieno/kernels/matmul_algorithms.h"

namespace ripieno::kernels {
namespace cuda {
namespace {

void check_cublas(cublasStatus_t status, const std::string& call) {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  throw CudaError(call + ": " + cublasLtGetStatusString(status));
}

struct Destroy {
  void operator()(cublasLtMatmulDesc_t p) const { cublasLtMatmulDescDestroy(p); }
  void operator()(cublasLtMatrixLayout_t p) const { cublasLtMatrixLayoutDestroy(p); }
  void operator()(cublasLtMatmulPreference_t p) const { cublasLtMatmulPreferenceDestroy(p); }
};
template <typename Handle>
using Owned = std::unique_ptr<std::remove_pointer_t<Handle>, Destroy>;

cudaDataType_t type_of(ElementType type) {
  switch (type) {
    case ElementType::kFloat32:
      return CUDA_R_32F;
    case ElementType::kFloat64:
      return CUDA_R_64F;
    case ElementType::kBFloat16:
      return CUDA_R_16BF;
    default:
      return CUDA_R_16F;
  }
}

bool is_double(const ProductTypes& types) { return types.elements == ElementType::kFloat64; }

cublasComputeType_t sums_of(const ProductTypes& types) {
  if (is_double(types)) return CUBLAS_COMPUTE_64F;
  return types.tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F;
}

cublasLtEpilogue_t epilogue_of(Epilogue epilogue) {
  switch (epilogue) {
    case Epilogue::kNone:
      return CUBLASLT_EPILOGUE_DEFAULT;
    case Epilogue::kBias:
      return CUBLASLT_EPILOGUE_BIAS;
    case Epilogue::kGelu:
      return CUBLASLT_EPILOGUE_GELU;
    case Epilogue::kGeluBias:
      return CUBLASLT_EPILOGUE_GELU_BIAS;
    case Epilogue::kGeluKept:
      return CUBLASLT_EPILOGUE_GELU_AUX;
    case Epilogue::kGeluBiasKept:
      return CUBLASLT_EPILOGUE_GELU_AUX_BIAS;
    case Epilogue::kGeluGradient:
      return CUBLASLT_EPILOGUE_DGELU;
    default:
      return CUBLASLT_EPILOGUE_BGRADB;
  }
}

Owned<cublasLtMatrixLayout_t> layout_of(const ColumnMajorMatrix& matrix, int64_t batch,
                                        ElementType type) {
  cublasLtMatrixLayout_t raw = nullptr;
  check_cublas(cublasLtMatrixLayoutCreate(&raw, type_of(type), static_cast<uint64_t>(matrix.rows),
                                          static_cast<uint64_t>(matrix.cols), matrix.leading),
               "cublasLtMatrixLayoutCreate");
  Owned<cublasLtMatrixLayout_t> layout(raw);
  const auto set = [&](cublasLtMatrixLayoutAttribute_t attribute, auto value) {
    check_cublas(cublasLtMatrixLayoutSetAttribute(raw, attribute, &value, sizeof(value)),
                 "cublasLtMatrixLayoutSetAttribute");
  };
  set(CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, static_cast<int32_t>(batch));
  set(CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, matrix.stride);
  return layout;
}

template <typename Value>
void set_attribute(cublasLtMatmulDesc_t operation, cublasLtMatmulDescAttributes_t attribute,
                   const Value& value) {
  check_cublas(cublasLtMatmulDescSetAttribute(operation, attribute, &value, sizeof(value)),
               "cublasLtMatmulDescSetAttribute");
}

// cuBLASLt's heuristics and checks do not access the memory, but they check the alignment of these
// addresses.
void set_pointers(cublasLtMatmulDesc_t operation, const ProductProblem& problem, const void* bias,
                  const void* before_activation) {
  if (problem.alignments.bias > 0) {
    set_attribute(operation, CUBLASLT_MATMUL_DESC_BIAS_POINTER, bias);
  }
  if (problem.alignments.before_activation > 0) {
    set_attribute(operation, CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_POINTER, before_activation);
  }
}

const void* address_aligned_to(uint32_t bytes) {
  return reinterpret_cast<const void*>(static_cast<std::uintptr_t>(bytes));
}

Owned<cublasLtMatmulDesc_t> operation_of(const ProductProblem& problem) {
  cublasLtMatmulDesc_t raw = nullptr;
  check_cublas(cublasLtMatmulDescCreate(&raw, sums_of(problem.types),
                                        is_double(problem.types) ? CUDA_R_64F : CUDA_R_32F),
               "cublasLtMatmulDescCreate");
  Owned<cublasLtMatmulDesc_t> operation(raw);
  const auto transposed = [](bool holds) { return holds ? CUBLAS_OP_T : CUBLAS_OP_N; };
  set_attribute(raw, CUBLASLT_MATMUL_DESC_TRANSA, transposed(problem.matrices.left.transposed));
  set_attribute(raw, CUBLASLT_MATMUL_DESC_TRANSB, transposed(problem.matrices.right.transposed));
  set_attribute(raw, CUBLASLT_MATMUL_DESC_EPILOGUE, epilogue_of(problem.epilogue));
  if (problem.alignments.bias > 0) {
    set_attribute(raw, CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE,
                  static_cast<int32_t>(type_of(problem.types.result)));
  }
  if (problem.alignments.before_activation > 0) {
    set_attribute(raw, CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_LD, problem.matrices.result.leading);
  }
  set_pointers(raw, problem, address_aligned_to(problem.alignments.bias),
               address_aligned_to(problem.alignments.before_activation));
  return operation;
}

Owned<cublasLtMatmulPreference_t> preference_for(const ProductProblem& problem) {
  cublasLtMatmulPreference_t raw = nullptr;
  check_cublas(cublasLtMatmulPreferenceCreate(&raw), "cublasLtMatmulPreferenceCreate");
  Owned<cublasLtMatmulPreference_t> preference(raw);
  const auto set = [&](cublasLtMatmulPreferenceAttributes_t attribute, auto value) {
    check_cublas(cublasLtMatmulPreferenceSetAttribute(raw, attribute, &value, sizeof(value)),
                 "cublasLtMatmulPreferenceSetAttribute");
  };
  // Partial sums are reduced in the compute type in the workspace, not in the result: more
  // accurate, and reproducible.
  set(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK,
      static_cast<uint32_t>(CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE));
  set(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, uint64_t{problem.workspace_bytes});
  const Alignments& alignments = problem.alignments;
  set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, alignments.left);
  set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, alignments.right);
  set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, alignments.result);
  set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, alignments.result);
  return preference;
}

static_assert(sizeof(Algorithm) == sizeof(cublasLtMatmulAlgo_t));

// Shared by all products of a device. Each stream has its own workspace, because only products on
// one stream are sure not to overlap. It is allocated with cudaMalloc at the stream's first
// product.
struct Shared {
  ~Shared() {
    for (const auto& [stream, memory] : workspaces) deallocate(memory);
    if (handle) cublasLtDestroy(handle);
  }
  void* workspace(CUstream_st* stream) {
    void*& memory = workspaces[stream];
    if (!memory) memory = allocate(workspace_bytes);
    return memory;
  }

  cublasLtHandle_t handle = nullptr;
  std::size_t workspace_bytes = 0;
  std::map<CUstream_st*, void*> workspaces;
};

// The factor 1 or 0 in the type that the library requires.
struct Scale {
  explicit Scale(double value) : wide(value), narrow(static_cast<float>(value)) {}
  const void* in(const ProductTypes& types) const {
    return is_double(types) ? static_cast<const void*>(&wide) : &narrow;
  }

  double wide;
  float narrow;
};

class CublasLtProduct final : public LibraryProduct {
 public:
  CublasLtProduct(Shared& shared, const ProductProblem& problem)
      : shared_(shared),
        problem_(problem),
        operation_(operation_of(problem)),
        left_(layout(problem.matrices.left, problem.types.elements)),
        right_(layout(problem.matrices.right, problem.types.elements)),
        result_(layout(problem.matrices.result, problem.types.result)) {}

  std::vector<Algorithm> candidates(int most) override {
    const auto preference = preference_for(problem_);
    std::vector<cublasLtMatmulHeuristicResult_t> found(static_cast<std::size_t>(most));
    int count = 0;
    const cublasStatus_t status = cublasLtMatmulAlgoGetHeuristic(
        shared_.handle, operation_.get(), left_.get(), right_.get(), result_.get(), result_.get(),
        preference.get(), most, found.data(), &count);
    if (status == CUBLAS_STATUS_NOT_SUPPORTED) return {};
    // The status of an epilogue that is not available for these types or layouts.
    if (status == CUBLAS_STATUS_INVALID_VALUE && problem_.epilogue != Epilogue::kNone) return {};
    check_cublas(status, describe(problem_) + ": cublasLtMatmulAlgoGetHeuristic");
    std::vector<Algorithm> algorithms;
    for (int i = 0; i < count; ++i) {
      const auto& result = found[static_cast<std::size_t>(i)];
      if (result.state != CUBLAS_STATUS_SUCCESS) continue;
      algorithms.push_back(std::bit_cast<Algorithm>(result.algo));
    }
    return algorithms;
  }

  bool accepts(const Algorithm& algorithm) override {
    const auto algo = std::bit_cast<cublasLtMatmulAlgo_t>(algorithm);
    cublasLtMatmulHeuristicResult_t result{};
    const cublasStatus_t status =
        cublasLtMatmulAlgoCheck(shared_.handle, operation_.get(), left_.get(), right_.get(),
                                result_.get(), result_.get(), &algo, &result);
    return status == CUBLAS_STATUS_SUCCESS && result.workspaceSize <= problem_.workspace_bytes;
  }

  void run(OnCuda on, const Algorithm& algorithm, const Operands& operands) override {
    set_pointers(operation_.get(), problem_, operands.bias, operands.before_activation);
    const auto algo = std::bit_cast<cublasLtMatmulAlgo_t>(algorithm);
    const Scale alpha(1.0), beta(problem_.accumulate ? 1.0 : 0.0);
    const cublasStatus_t status =
        cublasLtMatmul(shared_.handle, operation_.get(), alpha.in(problem_.types), operands.left,
                       left_.get(), operands.right, right_.get(), beta.in(problem_.types),
                       operands.result, result_.get(), operands.result, result_.get(), &algo,
                       shared_.workspace(on.stream), problem_.workspace_bytes, on.stream);
    if (status != CUBLAS_STATUS_SUCCESS) {
      const std::string where = describe(problem_) + ", on " + name_of_stream(on.stream);
      check_cublas(status, where + ": cublasLtMatmul");
    }
  }

 private:
  Owned<cublasLtMatrixLayout_t> layout(const ColumnMajorMatrix& matrix, ElementType type) const {
    return layout_of(matrix, problem_.matrices.batch, type);
  }

  Shared& shared_;
  ProductProblem problem_;
  Owned<cublasLtMatmulDesc_t> operation_;
  Owned<cublasLtMatrixLayout_t> left_, right_, result_;
};

class CublasLt final : public ProductLibrary {
 public:
  CublasLt() {
    check_cublas(cublasLtCreate(&shared_.handle), "cublasLtCreate");
    shared_.workspace_bytes = workspace_bytes_for(memory_info().total_bytes);
  }

  std::string identity() override {
    int driver = 0;
    check(cudaDriverGetVersion(&driver), "cudaDriverGetVersion");
    cudaDeviceProp properties{};
    check(cudaGetDeviceProperties(&properties, current_product_device()),
          "cudaGetDeviceProperties");
    return std::string(properties.name) + ", compute capability " +
           std::to_string(properties.major) + "." + std::to_string(properties.minor) + ", " +
           std::to_string(properties.multiProcessorCount) + " multiprocessors, driver " +
           std::to_string(driver) + ", cuBLASLt " + std::to_string(cublasLtGetVersion());
  }

  std::size_t workspace_bytes() override { return shared_.workspace_bytes; }

  std::unique_ptr<LibraryProduct> product(const ProductProblem& problem) override {
    return std::make_unique<CublasLtProduct>(shared_, problem);
  }

  std::unique_ptr<Trial> trial(OnCuda on, const ProductProblem& problem) override {
    return make_trial(on, problem);
  }

 private:
  Shared shared_;
};

}  // namespace

std::unique_ptr<ProductLibrary> make_product_library() { return std::make_unique<CublasLt>(); }

int current_product_device() {
  int device = 0;
  check(cudaGetDevice(&device), "cudaGetDevice");
  return device;
}

}  // namespace cuda

std::string matmul_library() {
  const std::size_t version = cublasLtGetVersion();
  return "cuBLASLt " + std::to_string(version / 10000) + "." + std::to_string(version / 100 % 100) +
         "." + std::to_string(version % 100);
}

}  // namespace ripieno::kernels
