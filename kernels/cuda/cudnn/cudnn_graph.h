// Graphs of operations for cuDNN, written down, planned, and run. Private to kernels/cuda.
//
// Only through cuDNN's C interface ("backend" in its documentation): a descriptor for each tensor,
// operation, graph, engine and plan.
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

// One of cuDNN's descriptors. Throws CudaError, from each of its functions.
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

  // How many there are, of which at most `size` are written to `values`.
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

// What plans are made for: the device of a handle, or one that is only described.
struct CudnnTarget {
  cudnnHandle_t handle = nullptr;
  const CudnnDescriptor* properties = nullptr;  // where there is no handle
};

using Dimensions = std::array<int64_t, 4>;

// A tensor of a graph; its number tells it from the graph's others.
struct CudnnTensor {
  int64_t number = 0;
  Dimensions dimensions{}, strides{};
  cudnnDataType_t type = CUDNN_DATA_FLOAT;
};

// A plan that can be run, as often as wanted.
class CudnnPlan {
 public:
  int64_t workspace_bytes() const { return workspace_bytes_; }
  // With its compiled kernel, for plan_from() of the same version of cuDNN and the same device.
  std::string text() const;
  // memory: of the graph's inputs and outputs, in the order in which they were named. Enqueues.
  void run(cudnnHandle_t handle, std::span<void* const> memory, void* workspace) const;

 private:
  friend class CudnnGraph;
  CudnnPlan(const CudnnFunctions& cudnn, CudnnDescriptor plan);

  const CudnnFunctions* cudnn_;
  CudnnDescriptor plan_;
  std::vector<int64_t> numbers_;  // of memory, then of scalars
  std::vector<float> scalars_;
  int64_t workspace_bytes_ = 0;
};

// Written down operation by operation; sums and everything between operations are float.
class CudnnGraph {
 public:
  explicit CudnnGraph(const CudnnFunctions& cudnn) : cudnn_(cudnn) {}

  // In memory: an input or an output.
  CudnnTensor tensor(const Dimensions& dimensions, const Dimensions& strides, cudnnDataType_t type);
  CudnnTensor scalar(float value);
  // Results of operations that exist between them only; of the type of `like` unless said.
  CudnnTensor between(const Dimensions& dimensions, const Dimensions& strides,
                      cudnnDataType_t type = CUDNN_DATA_FLOAT);

  // y = mode(x, b), mode(x, b, t)
  void pointwise_into(const CudnnTensor& y, cudnnPointwiseMode_t mode, const CudnnTensor& x,
                      const CudnnTensor* b = nullptr, const CudnnTensor* t = nullptr);
  // The same, with a result between operations.
  CudnnTensor pointwise(cudnnPointwiseMode_t mode, const CudnnTensor& x);
  CudnnTensor pointwise(cudnnPointwiseMode_t mode, const CudnnTensor& x, const CudnnTensor& b);
  // Each element's index along an axis.
  CudnnTensor index(const CudnnTensor& like, int64_t axis);
  // y = x reduced over the dimensions in which y is 1.
  void reduce(cudnnReduceTensorOp_t operation, const CudnnTensor& y, const CudnnTensor& x);
  void matmul(const CudnnTensor& c, const CudnnTensor& a, const CudnnTensor& b);
  // x with its last two dimensions exchanged, as `type`.
  CudnnTensor transpose(const CudnnTensor& x, cudnnDataType_t type);

  // The best plan by cuDNN's own judgement, whose kernel it compiles. Throws CudaError where there
  // is none.
  CudnnPlan plan(const CudnnTarget& target) const;
  // The plan that CudnnPlan::text() was of, for a graph of the same description(). Throws
  // CudaError.
  CudnnPlan plan_from(const std::string& text, const CudnnTarget& target) const;

  // All that was written down, a line each.
  const std::string& description() const { return description_; }

 private:
  CudnnTensor add_tensor(const Dimensions& dimensions, const Dimensions& strides,
                         cudnnDataType_t type, cudnnBackendAttributeName_t kind);
  const CudnnDescriptor& of(const CudnnTensor& tensor) const { return tensors_[tensor.number - 1]; }
  // An operation's name, its result and what it is applied to.
  void note(const std::string& operation, std::initializer_list<const CudnnTensor*> tensors);
  CudnnDescriptor operation_graph(const CudnnTarget& target) const;
  CudnnPlan finished(CudnnDescriptor plan) const;

  const CudnnFunctions& cudnn_;
  std::string description_;
  std::deque<CudnnDescriptor> tensors_, modes_, operations_;
  std::vector<int64_t> in_memory_, scalar_numbers_;
  std::vector<float> scalars_;
};

}  // namespace ripieno::kernels::cuda
