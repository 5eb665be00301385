#include "ripieno/kernels/cuda/cudnn/cudnn_graph.h"

#include <algorithm>
#include <utility>

namespace ripieno::kernels::cuda {

void check_cudnn(const CudnnFunctions& cudnn, cudnnStatus_t status, const std::string& what) {
  if (status == CUDNN_STATUS_SUCCESS) return;
  char reason[512] = "";
  cudnn.last_error_string(reason, sizeof(reason));
  std::string message = what + ": " + cudnn.error_string(status);
  if (reason[0]) message += std::string(", ") + reason;
  std::replace(message.begin(), message.end(), '\n', ' ');
  throw CudaError(message);
}

CudnnDescriptor::CudnnDescriptor(const CudnnFunctions& cudnn, cudnnBackendDescriptorType_t type,
                                 const char* name)
    : cudnn_(&cudnn), name_(name), descriptor_(nullptr, Destroy{&cudnn}) {
  cudnnBackendDescriptor_t raw = nullptr;
  check_cudnn(cudnn, cudnn.create_descriptor(type, &raw), std::string("cuDNN: creating ") + name);
  descriptor_.reset(raw);
}

CudnnDescriptor& CudnnDescriptor::set(cudnnBackendAttributeName_t attribute,
                                      const CudnnDescriptor& value) {
  return set(attribute, CUDNN_TYPE_BACKEND_DESCRIPTOR, value.raw());
}

CudnnDescriptor& CudnnDescriptor::set_bytes(cudnnBackendAttributeName_t attribute,
                                            cudnnBackendAttributeType_t type, int64_t count,
                                            const void* values) {
  check_cudnn(*cudnn_, cudnn_->set_attribute(raw(), attribute, type, count, values),
              "cuDNN: attribute " + std::to_string(attribute) + " of " + name_);
  return *this;
}

CudnnDescriptor& CudnnDescriptor::finalize() {
  check_cudnn(*cudnn_, cudnn_->finalize(raw()), std::string("cuDNN: finalizing ") + name_);
  return *this;
}

int64_t CudnnDescriptor::get(cudnnBackendAttributeName_t attribute,
                             cudnnBackendAttributeType_t type, int64_t size, void* values) const {
  int64_t count = 0;
  check_cudnn(*cudnn_, cudnn_->get_attribute(raw(), attribute, type, size, &count, values),
              "cuDNN: attribute " + std::to_string(attribute) + " of " + name_);
  return count;
}

CudnnTensor CudnnGraph::add_tensor(const Dimensions& dimensions, const Dimensions& strides,
                                   cudnnDataType_t type, cudnnBackendAttributeName_t kind) {
  const auto number = static_cast<int64_t>(tensors_.size()) + 1;
  description_ +=
      std::to_string(number) + ": type " + std::to_string(type) + " kind " + std::to_string(kind);
  for (const int64_t size : dimensions) description_ += ' ' + std::to_string(size);
  for (const int64_t stride : strides) description_ += " /" + std::to_string(stride);
  description_ += '\n';
  auto& tensor = tensors_.emplace_back(cudnn_, CUDNN_BACKEND_TENSOR_DESCRIPTOR, "a tensor");
  tensor.set(CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, number)
      .set(CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, type)
      .set(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, int64_t{16})
      .set_all(CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, std::span(dimensions))
      .set_all(CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, std::span(strides));
  if (kind != CUDNN_ATTR_TENSOR_DIMENSIONS) tensor.set(kind, CUDNN_TYPE_BOOLEAN, true);
  tensor.finalize();
  return {number, dimensions, strides, type};
}

void CudnnGraph::describe_operation(const std::string& operation,
                                    std::initializer_list<const CudnnTensor*> tensors) {
  description_ += operation;
  for (const CudnnTensor* tensor : tensors) {
    if (tensor) description_ += ' ' + std::to_string(tensor->number);
  }
  description_ += '\n';
}

CudnnTensor CudnnGraph::tensor(const Dimensions& dimensions, const Dimensions& strides,
                               cudnnDataType_t type) {
  const CudnnTensor tensor = add_tensor(dimensions, strides, type, CUDNN_ATTR_TENSOR_DIMENSIONS);
  in_memory_.push_back(tensor.number);
  return tensor;
}

CudnnTensor CudnnGraph::scalar(float value) {
  const CudnnTensor tensor =
      add_tensor({1, 1, 1, 1}, {1, 1, 1, 1}, CUDNN_DATA_FLOAT, CUDNN_ATTR_TENSOR_IS_BY_VALUE);
  scalar_numbers_.push_back(tensor.number);
  scalars_.push_back(value);
  description_ += "= " + std::to_string(value) + '\n';
  return tensor;
}

CudnnTensor CudnnGraph::virtual_tensor(const Dimensions& dimensions, const Dimensions& strides,
                                       cudnnDataType_t type) {
  return add_tensor(dimensions, strides, type, CUDNN_ATTR_TENSOR_IS_VIRTUAL);
}

void CudnnGraph::pointwise_into(const CudnnTensor& y, cudnnPointwiseMode_t mode,
                                const CudnnTensor& x, const CudnnTensor* b, const CudnnTensor* t) {
  describe_operation("pointwise " + std::to_string(mode), {&y, &x, b, t});
  const bool compares = y.type == CUDNN_DATA_BOOLEAN;
  auto& how = modes_.emplace_back(cudnn_, CUDNN_BACKEND_POINTWISE_DESCRIPTOR, "a pointwise mode");
  how.set(CUDNN_ATTR_POINTWISE_MODE, CUDNN_TYPE_POINTWISE_MODE, mode)
      .set(CUDNN_ATTR_POINTWISE_MATH_PREC, CUDNN_TYPE_DATA_TYPE,
           compares ? CUDNN_DATA_BOOLEAN : CUDNN_DATA_FLOAT)
      .finalize();
  auto& operation = operations_.emplace_back(cudnn_, CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR,
                                             "a pointwise operation");
  operation.set(CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, how)
      .set(CUDNN_ATTR_OPERATION_POINTWISE_XDESC, of(x))
      .set(CUDNN_ATTR_OPERATION_POINTWISE_YDESC, of(y));
  if (b) operation.set(CUDNN_ATTR_OPERATION_POINTWISE_BDESC, of(*b));
  if (t) operation.set(CUDNN_ATTR_OPERATION_POINTWISE_TDESC, of(*t));
  operation.finalize();
}

CudnnTensor CudnnGraph::pointwise(cudnnPointwiseMode_t mode, const CudnnTensor& x) {
  const CudnnTensor y = virtual_tensor(x.dimensions, x.strides);
  pointwise_into(y, mode, x);
  return y;
}

CudnnTensor CudnnGraph::pointwise(cudnnPointwiseMode_t mode, const CudnnTensor& x,
                                  const CudnnTensor& b) {
  const CudnnTensor y = virtual_tensor(x.dimensions, x.strides);
  pointwise_into(y, mode, x, &b);
  return y;
}

CudnnTensor CudnnGraph::index(const CudnnTensor& like, int64_t axis) {
  auto& how = modes_.emplace_back(cudnn_, CUDNN_BACKEND_POINTWISE_DESCRIPTOR, "an index's mode");
  how.set(CUDNN_ATTR_POINTWISE_MODE, CUDNN_TYPE_POINTWISE_MODE, CUDNN_POINTWISE_GEN_INDEX)
      .set(CUDNN_ATTR_POINTWISE_MATH_PREC, CUDNN_TYPE_DATA_TYPE, CUDNN_DATA_FLOAT)
      .set(CUDNN_ATTR_POINTWISE_AXIS, CUDNN_TYPE_INT64, axis)
      .finalize();
  const CudnnTensor y = virtual_tensor(like.dimensions, like.strides, CUDNN_DATA_INT32);
  describe_operation("index " + std::to_string(axis), {&y, &like});
  operations_
      .emplace_back(cudnn_, CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR, "an index operation")
      .set(CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, how)
      .set(CUDNN_ATTR_OPERATION_POINTWISE_XDESC, of(like))
      .set(CUDNN_ATTR_OPERATION_POINTWISE_YDESC, of(y))
      .finalize();
  return y;
}

void CudnnGraph::reduce(cudnnReduceTensorOp_t operation, const CudnnTensor& y,
                        const CudnnTensor& x) {
  describe_operation("reduction " + std::to_string(operation), {&y, &x});
  auto& how = modes_.emplace_back(cudnn_, CUDNN_BACKEND_REDUCTION_DESCRIPTOR, "a reduction's mode");
  how.set(CUDNN_ATTR_REDUCTION_OPERATOR, CUDNN_TYPE_REDUCTION_OPERATOR_TYPE, operation)
      .set(CUDNN_ATTR_REDUCTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, CUDNN_DATA_FLOAT)
      .finalize();
  operations_.emplace_back(cudnn_, CUDNN_BACKEND_OPERATION_REDUCTION_DESCRIPTOR, "a reduction")
      .set(CUDNN_ATTR_OPERATION_REDUCTION_DESC, how)
      .set(CUDNN_ATTR_OPERATION_REDUCTION_XDESC, of(x))
      .set(CUDNN_ATTR_OPERATION_REDUCTION_YDESC, of(y))
      .finalize();
}

void CudnnGraph::matmul(const CudnnTensor& c, const CudnnTensor& a, const CudnnTensor& b) {
  describe_operation("product", {&c, &a, &b});
  auto& how = modes_.emplace_back(cudnn_, CUDNN_BACKEND_MATMUL_DESCRIPTOR, "a product's mode");
  how.set(CUDNN_ATTR_MATMUL_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, CUDNN_DATA_FLOAT).finalize();
  operations_.emplace_back(cudnn_, CUDNN_BACKEND_OPERATION_MATMUL_DESCRIPTOR, "a product")
      .set(CUDNN_ATTR_OPERATION_MATMUL_DESC, how)
      .set(CUDNN_ATTR_OPERATION_MATMUL_ADESC, of(a))
      .set(CUDNN_ATTR_OPERATION_MATMUL_BDESC, of(b))
      .set(CUDNN_ATTR_OPERATION_MATMUL_CDESC, of(c))
      .finalize();
}

CudnnTensor CudnnGraph::transpose(const CudnnTensor& x, cudnnDataType_t type) {
  Dimensions dimensions = x.dimensions, strides = x.strides;
  std::swap(dimensions[2], dimensions[3]);
  std::swap(strides[2], strides[3]);
  const CudnnTensor y = virtual_tensor(dimensions, strides, type);
  describe_operation("transposition", {&y, &x});
  operations_.emplace_back(cudnn_, CUDNN_BACKEND_OPERATION_RESHAPE_DESCRIPTOR, "a transposition")
      .set(CUDNN_ATTR_OPERATION_RESHAPE_XDESC, of(x))
      .set(CUDNN_ATTR_OPERATION_RESHAPE_YDESC, of(y))
      .finalize();
  return y;
}

CudnnDescriptor CudnnGraph::operation_graph(const CudnnTarget& target) const {
  std::vector<cudnnBackendDescriptor_t> raw;
  for (const CudnnDescriptor& operation : operations_) raw.push_back(operation.raw());
  CudnnDescriptor graph(cudnn_, CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR, "the graph");
  graph.set_all(CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR,
                std::span<const cudnnBackendDescriptor_t>(raw));
  if (target.handle) {
    graph.set(CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, target.handle);
  }
  graph.finalize();
  return graph;
}

namespace {

// cuDNN's engine configurations, the best by its heuristic first.
std::vector<CudnnDescriptor> proposals(const CudnnFunctions& cudnn, const CudnnDescriptor& graph,
                                       const CudnnTarget& target, cudnnBackendHeurMode_t mode) {
  CudnnDescriptor heuristics(cudnn, CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR, "the choice of engines");
  heuristics.set(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph)
      .set(CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, mode);
  if (target.properties) heuristics.set(CUDNN_ATTR_ENGINEHEUR_DEVICEPROP, *target.properties);
  heuristics.finalize();
  const int64_t count =
      heuristics.get(CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR, 0, nullptr);
  std::vector<CudnnDescriptor> found;
  std::vector<cudnnBackendDescriptor_t> raw;
  for (int64_t i = 0; i < count; ++i) {
    found.emplace_back(cudnn, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR, "an engine's configuration");
    raw.push_back(found.back().raw());
  }
  const int64_t written = heuristics.get(CUDNN_ATTR_ENGINEHEUR_RESULTS,
                                         CUDNN_TYPE_BACKEND_DESCRIPTOR, count, raw.data());
  found.erase(found.begin() + std::min(written, count), found.end());
  return found;
}

CudnnDescriptor empty_plan(const CudnnFunctions& cudnn, const CudnnTarget& target) {
  CudnnDescriptor plan(cudnn, CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR, "a plan");
  if (target.handle) {
    plan.set(CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, target.handle);
  } else {
    plan.set(CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP, *target.properties);
  }
  return plan;
}

}  // namespace

CudnnPlan CudnnGraph::make_plan(CudnnDescriptor descriptor) const {
  CudnnPlan plan(cudnn_, std::move(descriptor));
  plan.numbers_ = in_memory_;
  plan.numbers_.insert(plan.numbers_.end(), scalar_numbers_.begin(), scalar_numbers_.end());
  plan.scalars_ = scalars_;
  return plan;
}

CudnnPlan CudnnGraph::plan_from(const std::string& text, const CudnnTarget& target) const {
  CudnnDescriptor plan = empty_plan(cudnn_, target);
  plan.set_all(CUDNN_ATTR_EXECUTION_PLAN_JSON_REPRESENTATION, CUDNN_TYPE_CHAR,
               std::span<const char>(text))
      .finalize();
  return make_plan(std::move(plan));
}

CudnnPlan CudnnGraph::plan(const CudnnTarget& target) const {
  const CudnnDescriptor graph = operation_graph(target);
  std::string why = "cuDNN: no engine for this graph";
  for (const auto mode : {CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_FALLBACK}) {
    for (const CudnnDescriptor& configuration : proposals(cudnn_, graph, target, mode)) {
      try {
        CudnnDescriptor plan = empty_plan(cudnn_, target);
        plan.set(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, configuration).finalize();
        return make_plan(std::move(plan));
      } catch (const CudaError& error) {
        why = error.what();
      }
    }
  }
  throw CudaError(why);
}

CudnnPlan::CudnnPlan(const CudnnFunctions& cudnn, CudnnDescriptor plan)
    : cudnn_(&cudnn), plan_(std::move(plan)) {
  plan_.get(CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, CUDNN_TYPE_INT64, 1, &workspace_bytes_);
}

std::string CudnnPlan::text() const {
  const auto attribute = CUDNN_ATTR_EXECUTION_PLAN_JSON_REPRESENTATION;
  std::string text(plan_.get(attribute, CUDNN_TYPE_CHAR, 0, nullptr), '\0');
  plan_.get(attribute, CUDNN_TYPE_CHAR, static_cast<int64_t>(text.size()), text.data());
  return text;
}

void CudnnPlan::run(cudnnHandle_t handle, std::span<void* const> memory, void* workspace) const {
  std::vector<void*> pointers(memory.begin(), memory.end());
  for (const float& scalar : scalars_) pointers.push_back(const_cast<float*>(&scalar));
  CudnnDescriptor pack(*cudnn_, CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR, "the memory of a plan");
  pack.set_all(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64,
               std::span<const int64_t>(numbers_))
      .set_all(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR,
               std::span<void* const>(pointers))
      .set(CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, workspace)
      .finalize();
  check_cudnn(*cudnn_, cudnn_->execute(handle, plan_.raw(), pack.raw()), "cuDNN: running a plan");
}

}  // namespace ripieno::kernels::cuda
