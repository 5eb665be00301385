#include "ripieno/core/autograd.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>

#include "ripieno/core/tensor_implementation.h"
#include "ripieno/core/tensor_reads.h"

namespace ripieno {
namespace {

thread_local bool is_recording = true;

}  // namespace

NoGrad::NoGrad() : before_(std::exchange(is_recording, false)) {}
NoGrad::~NoGrad() { is_recording = before_; }

namespace autograd {

Recording::Recording() : before_(std::exchange(is_recording, true)) {}
Recording::~Recording() { is_recording = before_; }

namespace {

std::atomic<uint64_t> recorded = 0;

// The list of nodes that this thread has yet to free; null while it is not freeing any.
thread_local std::shared_ptr<Node>* to_free = nullptr;

bool requires_gradient(const Tensor& input) { return input.defined() && input.requires_gradient(); }

void set_input(Node::Input& input, const Tensor& tensor) {
  if (!requires_gradient(tensor)) return;
  const TensorImplementation& from = tensor.implementation();
  input.node = from.node;
  input.output = from.output;
  input.leaf = from.node ? nullptr : from.leaf;
  input.shape = from.shape;
  input.dtype = from.dtype;
  input.device = from.device;
}

void require_new(std::string_view name, const Tensor& output) {
  if (!output.defined()) fail(fmt::format("{}: cannot record an undefined output", name));
  if (!output.requires_gradient()) return;
  fail(fmt::format(
      "{}: cannot record output {}, which is a leaf or the output of another operation; "
      "return a new tensor, or its detach()",
      name, describe(output)));
}

void begin(Node& node, std::string_view name, std::size_t inputs, std::size_t outputs) {
  node.name = name;
  node.order = ++recorded;
  node.inputs.resize(inputs);
  node.pending.resize(outputs);
}

void set_output(const Tensor& output, std::shared_ptr<Node> node, int index) {
  TensorImplementation& implementation = output.implementation();
  implementation.requires_gradient = true;
  implementation.node = std::move(node);
  implementation.output = index;
}

}  // namespace

// A node owns its inputs' nodes, through `inputs` and through saved tensors. Destroyed recursively,
// a long chain of them would overflow the stack.
void drop_graph(std::shared_ptr<Node> node) noexcept {
  if (node == nullptr || node.use_count() > 1) return;
  if (to_free != nullptr) {
    node->next = std::move(*to_free);
    *to_free = std::move(node);
    return;
  }
  std::shared_ptr<Node> first = std::move(node);
  to_free = &first;
  while (first != nullptr) {
    const std::shared_ptr<Node> freed = std::move(first);
    first = std::move(freed->next);
  }
  to_free = nullptr;
}

Node::~Node() {
  for (Input& input : inputs) drop_graph(std::move(input.node));
}

bool recording() { return is_recording; }

uint64_t last_order() { return recorded; }

bool needed(std::initializer_list<const Tensor*> inputs) {
  if (is_recording && TensorReads::is_tracking()) {
    for (const Tensor* input : inputs) TensorReads::track(*input);
  }
  return is_recording && std::any_of(inputs.begin(), inputs.end(),
                                     [](const Tensor* input) { return requires_gradient(*input); });
}

bool needed(std::span<const Tensor> inputs) {
  if (is_recording && TensorReads::is_tracking()) {
    for (const Tensor& input : inputs) TensorReads::track(input);
  }
  return is_recording && std::any_of(inputs.begin(), inputs.end(), requires_gradient);
}

void attach(const Tensor& output, std::shared_ptr<Node> node, std::string_view name,
            std::initializer_list<const Tensor*> inputs, std::span<const Node::Input> more) {
  require_new(name, output);
  begin(*node, name, inputs.size() + more.size(), 1);
  Node::Input* input = node->inputs.begin();
  for (const Tensor* tensor : inputs) set_input(*input++, *tensor);
  std::copy(more.begin(), more.end(), input);
  set_output(output, std::move(node), 0);
}

void attach(std::span<const Tensor> outputs, std::shared_ptr<Node> node, std::string_view name,
            std::span<const Tensor> inputs) {
  for (const Tensor& output : outputs) require_new(name, output);
  begin(*node, name, inputs.size(), outputs.size());
  Node::Input* input = node->inputs.begin();
  for (const Tensor& tensor : inputs) set_input(*input++, tensor);
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    if (is_floating_point(outputs[i].dtype())) set_output(outputs[i], node, static_cast<int>(i));
  }
}

Saved::Saved(const Tensor& tensor) {
  if (!tensor.defined()) return;
  // An output that held itself would never be freed: a leaf is kept as it is, others detached.
  tensor_ = tensor.implementation().leaf ? tensor : tensor.detach();
  version_ = tensor.version();
  if (is_recording && TensorReads::is_tracking()) TensorReads::track(tensor);
}

const Tensor& Saved::operator*() const {
  if (!tensor_.defined() || tensor_.version() == version_) return tensor_;
  fail(fmt::format(
      "{}: a tensor saved for the backward, {}, was changed in place after the forward; change a "
      "clone() instead, or change it after the backward",
      running_operation(), describe(tensor_)));
}

}  // namespace autograd
}  // namespace ripieno
