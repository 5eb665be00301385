#include "ripieno/kernels/cuda/cublas_lt.h"

#include <cuda_runtime_api.h>

#include <algorithm>
#include <bit>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <type_traits>
#include <utility>

#include "ripieno/kernels/cuda/check.h"
#include "ripieno/kernels/cuda/runtime.h"

namespace ripieno::kernels::cuda {
namespace {

constexpr std::size_t kWorkspaceBytes = std::size_t{32} << 20;

void check_cublas(cublasStatus_t status, const char* call) {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  throw CudaError(std::string(call) + ": " + cublasLtGetStatusString(status));
}

struct Destroy {
  void operator()(cublasLtMatmulDesc_t p) const { cublasLtMatmulDescDestroy(p); }
  void operator()(cublasLtMatrixLayout_t p) const { cublasLtMatrixLayoutDestroy(p); }
  void operator()(cublasLtMatmulPreference_t p) const { cublasLtMatmulPreferenceDestroy(p); }
};
template <typename Handle>
using Owned = std::unique_ptr<std::remove_pointer_t<Handle>, Destroy>;

Owned<cublasLtMatrixLayout_t> layout_of(const ColumnMajorMatrix& matrix, int64_t batch,
                                        cudaDataType_t type) {
  cublasLtMatrixLayout_t raw = nullptr;
  check_cublas(cublasLtMatrixLayoutCreate(&raw, type, static_cast<uint64_t>(matrix.rows),
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

Owned<cublasLtMatmulDesc_t> operation_of(const ColumnMajorProduct& product,
                                         const ProductTypes& types) {
  cublasLtMatmulDesc_t raw = nullptr;
  check_cublas(cublasLtMatmulDescCreate(&raw, types.sums, types.scale), "cublasLtMatmulDescCreate");
  Owned<cublasLtMatmulDesc_t> operation(raw);
  const auto set = [&](cublasLtMatmulDescAttributes_t attribute, bool transposed) {
    const cublasOperation_t value = transposed ? CUBLAS_OP_T : CUBLAS_OP_N;
    check_cublas(cublasLtMatmulDescSetAttribute(raw, attribute, &value, sizeof(value)),
                 "cublasLtMatmulDescSetAttribute");
  };
  set(CUBLASLT_MATMUL_DESC_TRANSA, product.left.transposed);
  set(CUBLASLT_MATMUL_DESC_TRANSB, product.right.transposed);
  return operation;
}

// How far, in bytes and up to what a vector load wants, the memory is aligned.
uint32_t alignment_of(const void* memory) {
  const auto address = reinterpret_cast<std::uintptr_t>(memory);
  return uint32_t{1} << std::min(std::countr_zero(address), 8);
}

struct Alignments {
  uint32_t left = 0, right = 0, result = 0;

  auto operator<=>(const Alignments&) const = default;
};

// A product that cuBLASLt has been asked about: its descriptors and the algorithm chosen.
struct Plan {
  Owned<cublasLtMatmulDesc_t> operation;
  Owned<cublasLtMatrixLayout_t> left, right, result;
  cublasLtMatmulAlgo_t algorithm{};
};

Owned<cublasLtMatmulPreference_t> preference_for(const Alignments& alignments) {
  cublasLtMatmulPreference_t raw = nullptr;
  check_cublas(cublasLtMatmulPreferenceCreate(&raw), "cublasLtMatmulPreferenceCreate");
  Owned<cublasLtMatmulPreference_t> preference(raw);
  const auto set = [&](cublasLtMatmulPreferenceAttributes_t attribute, auto value) {
    check_cublas(cublasLtMatmulPreferenceSetAttribute(raw, attribute, &value, sizeof(value)),
                 "cublasLtMatmulPreferenceSetAttribute");
  };
  // Partial sums are added outside the result, in the type of the sums: exact enough, and
  // repeatable.
  set(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK,
      static_cast<uint32_t>(CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE));
  set(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, uint64_t{kWorkspaceBytes});
  set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, alignments.left);
  set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, alignments.right);
  set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, alignments.result);
  set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, alignments.result);
  return preference;
}

Plan make_plan(cublasLtHandle_t handle, const ColumnMajorProduct& product,
               const ProductTypes& types, const Alignments& alignments) {
  Plan plan{operation_of(product, types), layout_of(product.left, product.batch, types.elements),
            layout_of(product.right, product.batch, types.elements),
            layout_of(product.result, product.batch, types.elements)};
  const auto preference = preference_for(alignments);
  cublasLtMatmulHeuristicResult_t chosen{};
  int found = 0;
  check_cublas(cublasLtMatmulAlgoGetHeuristic(
                   handle, plan.operation.get(), plan.left.get(), plan.right.get(),
                   plan.result.get(), plan.result.get(), preference.get(), 1, &chosen, &found),
               "cublasLtMatmulAlgoGetHeuristic");
  if (found == 0) throw CudaError("cublasLtMatmulAlgoGetHeuristic: no algorithm for this product");
  plan.algorithm = chosen.algo;
  return plan;
}

// What one device keeps for as long as the process lives.
class Device {
 public:
  const Plan& plan(const ColumnMajorProduct& product, const ProductTypes& types,
                   const Alignments& alignments) {
    const Key key{product, types, alignments};
    const auto found = plans_.find(key);
    if (found != plans_.end()) return found->second;
    return plans_.emplace(key, make_plan(handle(), product, types, alignments)).first->second;
  }

  // One a stream: products on one stream follow each other, those of two do not.
  void* workspace(CUstream_st* stream) {
    void*& memory = workspaces_[stream];
    if (!memory) memory = allocate(kWorkspaceBytes);
    return memory;
  }

  cublasLtHandle_t handle() {
    if (!handle_) check_cublas(cublasLtCreate(&handle_), "cublasLtCreate");
    return handle_;
  }

 private:
  struct Key {
    ColumnMajorProduct product;
    ProductTypes types;
    Alignments alignments;

    auto operator<=>(const Key&) const = default;
  };

  cublasLtHandle_t handle_ = nullptr;
  std::map<Key, Plan> plans_;
  std::map<CUstream_st*, void*> workspaces_;
};

Device& current_device() {
  int device = 0;
  check(cudaGetDevice(&device), "cudaGetDevice");
  // Never destroyed: at exit the driver may be gone before us.
  static auto& devices = *new std::map<int, Device>;
  return devices[device];
}

}  // namespace

void multiply(OnCuda on, void* result, const void* left, const void* right,
              const ColumnMajorProduct& product, const ProductTypes& types, bool accumulate) {
  static std::mutex mutex;
  const std::lock_guard lock(mutex);
  Device& device = current_device();
  const Alignments alignments{alignment_of(left), alignment_of(right), alignment_of(result)};
  const Plan& plan = device.plan(product, types, alignments);
  const bool wide = types.scale == CUDA_R_64F;
  const double one = 1.0, beta = accumulate ? 1.0 : 0.0;
  const float narrow_one = 1.0f, narrow_beta = accumulate ? 1.0f : 0.0f;
  check_cublas(
      cublasLtMatmul(device.handle(), plan.operation.get(),
                     wide ? static_cast<const void*>(&one) : &narrow_one, left, plan.left.get(),
                     right, plan.right.get(), wide ? static_cast<const void*>(&beta) : &narrow_beta,
                     result, plan.result.get(), result, plan.result.get(), &plan.algorithm,
                     device.workspace(on.stream), kWorkspaceBytes, on.stream),
      "cublasLtMatmul");
}

}  // namespace ripieno::kernels::cuda
