// CudnnGraph: builds a graph of cuDNN operations, and makes plans that run it. Private to
// kernels/cuda.
//
// It uses cuDNN's C interface only ("backend API"), which has descriptors for tensors, operations,
// graphs, engines and plans.
#pragma once

#include <cudnn.h>

#include <array>
#include <cstdint>
#include <deque>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "ripieno/kernels/cuda/cudnn/cudnn_library.h"
#include "ripieno/kernels/cuda/runtime/runtime.h"

namespace ripieno::kernels::cuda {

// Throws CudaError("<what>: <cuDNN's reason>") unless `status` is success.
void check_cudnn(const CudnnFunctions& cudnn, cudnnStatus_t status, const std::string& what);

// A cuDNN descriptor. All functions throw CudaError.
class CudnnDescriptor {
 public:
  CudnnDescriptor(const CudnnFunctions& cudnn, cudnnBackendDescriptorType_t type, const char* name);

  template <typename T>
  CudnnDescriptor& set(cudnnBackendAttributeName_t attribute, cudnnBackendAttributeType_t type,
                       const T& value) {
    return set_all(attribute, type, std::span(&value, 1));
  }
  template <typename T, std::size_t size>
  CudnnDescriptor& set_all(cudnnBackendAttributeName_t attribute, cudnnBackendAttributeType_t type,
                           std::span<const T, size> values) {
    return set_bytes(attribute, type, static_cast<int64_t>(values.size()), values.data());
  }
  CudnnDescriptor& set(cudnnBackendAttributeName_t attribute, const CudnnDescriptor& value);
  CudnnDescriptor& finalize();

  // Writes at most `size` values to `values`, and returns how many the attribute has.
  int64_t get(cudnnBackendAttributeName_t attribute, cudnnBackendAttributeType_t type, int64_t size,
              void* values) const;

  cudnnBackendDescriptor_t raw() const { return descriptor_.get(); }

 private:
  struct Destroy {
    const CudnnFunctions* cudnn;
    void operator()(void* descriptor) const { cudnn->destroy_descriptor(descriptor); }
  };

  CudnnDescriptor& set_bytes(cudnnBackendAttributeName_t attribute,
                             cudnnBackendAttributeType_t type, int64_t count, const void* values);

  const CudnnFunctions* cudnn_;
  const char* name_;
  std::unique_ptr<void, Destroy> descriptor_;
};

// What plans are made for: the device of a handle, or a device that is only described.
struct CudnnTarget {
  cudnnHandle_t handle = nullptr;
  const CudnnDescriptor* properties = nullptr;  // the described device, if handle is null
};

using Dimensions = std::array<int64_t, 4>;

// A tensor of a graph, identified by its number.
struct CudnnTensor {
  int64_t number = 0;
  Dimensions dimensions{}, strides{};
  cudnnDataType_t type = CUDNN_DATA_FLOAT;
};

// An executable plan, which can be run any number of times.
class CudnnPlan {
 public:
  int64_t workspace_bytes() const { return workspace_bytes_; }
  // The plan with its compiled kernel as text, for plan_from() on the same device with the same
  // version of cuDNN.
  std::string text() const;
  // Enqueues the plan. memory: the graph's inputs and outputs, in the order of the tensor() calls.
  void run(cudnnHandle_t handle, std::span<void* const> memory, void* workspace) const;

 private:
  friend class CudnnGraph;
  CudnnPlan(const CudnnFunctions& cudnn, CudnnDescriptor plan);

  const CudnnFunctions* cudnn_;
  CudnnDescriptor plan_;
  std::vector<int64_t> numbers_;  // tensor numbers of `memory`, then of scalars_
  std::vector<float> scalars_;
  int64_t workspace_bytes_ = 0;
};

// Operations are added one by one. Computation and intermediate results are in float.
class CudnnGraph {
 public:
  explicit CudnnGraph(const CudnnFunctions& cudnn) : cudnn_(cudnn) {}

  // An input or output in memory.
  CudnnTensor tensor(const Dimensions& dimensions, const Dimensions& strides, cudnnDataType_t type);
  CudnnTensor scalar(float value);
  // A virtual tensor: an intermediate result that is not stored in memory.
  CudnnTensor virtual_tensor(const Dimensions& dimensions, const Dimensions& strides,
                             cudnnDataType_t type = CUDNN_DATA_FLOAT);

  // y = mode(x, b), or mode(x, b, t).
  void pointwise_into(const CudnnTensor& y, cudnnPointwiseMode_t mode, const CudnnTensor& x,
                      const CudnnTensor* b = nullptr, const CudnnTensor* t = nullptr);
  // The same, with a new virtual tensor as the result.
  CudnnTensor pointwise(cudnnPointwiseMode_t mode, const CudnnTensor& x);
  CudnnTensor pointwise(cudnnPointwiseMode_t mode, const CudnnTensor& x, const CudnnTensor& b);
  // The index of each element along an axis.
  CudnnTensor index(const CudnnTensor& like, int64_t axis);
  // y = x reduced over the dimensions whose size is 1 in y.
  void reduce(cudnnReduceTensorOp_t operation, const CudnnTensor& y, const CudnnTensor& x);
  void matmul(const CudnnTensor& c, const CudnnTensor& a, const CudnnTensor& b);
  // x with its last two dimensions swapped, converted to `type`.
  CudnnTensor transpose(const CudnnTensor& x, cudnnDataType_t type);

  // The best plan by cuDNN's heuristic; compiles its kernel. Throws CudaError if there is none.
  CudnnPlan plan(const CudnnTarget& target) const;
  // The plan that CudnnPlan::text() returned for a graph with the same description(). Throws
  // CudaError.
  CudnnPlan plan_from(const std::string& text, const CudnnTarget& target) const;

  // All tensors and operations of the graph as text, one per line.
  const std::string& description() const { return description_; }

 private:
  CudnnTensor add_tensor(const Dimensions& dimensions, const Dimensions& strides,
                         cudnnDataType_t type, cudnnBackendAttributeName_t kind);
  const CudnnDescriptor& of(const CudnnTensor& tensor) const { return tensors_[tensor.number - 1]; }
  // Adds an operation, its result and its arguments to the description.
  void describe_operation(const std::string& operation,
                          std::initializer_list<const CudnnTensor*> tensors);
  CudnnDescriptor operation_graph(const CudnnTarget& target) const;
  CudnnPlan make_plan(CudnnDescriptor plan) const;

  const CudnnFunctions& cudnn_;
  std::string description_;
  std::deque<CudnnDescriptor> tensors_, modes_, operations_;
  std::vector<int64_t> in_memory_, scalar_numbers_;
  std::vector<float> scalars_;
};

}  // namespace ripieno::kernels::cuda
