#include "ripieno/core/autograd.h"

#include <fmt/format.h>

#include <algorithm>

#include "ripieno/core/ops/arithmetic.h"
#include "ripieno/core/tensor_implementation.h"

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

thread_local uint64_t last_order = 0;
thread_local uint64_t last_backward = 0;
thread_local Substitutes* substitutes = nullptr;

Leaf& stand_in_for(const std::shared_ptr<Leaf>& leaf) {
  if (substitutes == nullptr) [[likely]]
    return *leaf;
  const auto found = substitutes->find(leaf.get());
  if (found == substitutes->end()) {
    fail(
        "backward: a tensor that requires a gradient is none of the model's parameters, for whose "
        "gradients alone there is a place; detach() it");
  }
  return found->second;
}

// Nobody else would see a change of it.
bool may_be_added_to(const Tensor& pending) { return pending.is_dense() && pending.is_exclusive(); }

bool is_earlier(const std::shared_ptr<Node>& a, const std::shared_ptr<Node>& b) {
  return a->order < b->order;
}

void accumulate(Tensor& pending, const Tensor& gradient) {
  if (!may_be_added_to(pending)) pending = pending.clone();
  add_into(pending, gradient.dense());
}

// Nodes that are still to be looked at. From the pool: a backward may run within another one.
template <typename NodePointer>
using Open = std::vector<NodePointer, PoolAllocator<NodePointer>>;

// Calls visit(node) for each node that `root` came from, once.
template <typename Visit>
void for_each_node(Node& root, uint64_t mark, const Visit& visit) {
  Open<Node*> open = {&root};
  root.visited = mark;
  while (!open.empty()) {
    Node& node = *open.back();
    open.pop_back();
    visit(node);
    for (int i = 0; i < node.input_count; ++i) {
      Node* const from = node.inputs[static_cast<std::size_t>(i)].node.get();
      if (from && std::exchange(from->visited, mark) != mark) open.push_back(from);
    }
  }
}

template <typename Visit>
void for_each_leaf(const Node& node, const Visit& visit) {
  for (const auto& input : node.inputs) {
    if (input.leaf) visit(input.leaf);
  }
  for (const auto& leaf : node.leaves) visit(leaf);
}

void require_unused(const Node& node) {
  if (!node.released) return;
  fail(fmt::format("backward: '{}' was already gone through; compute the loss again", node.name));
}

// Marks what the backward will go through, and counts how often each leaf will be reached, so that
// its hooks run with the last contribution.
void prepare(Node& root, uint64_t backward, Completes completes) {
  for_each_node(root, backward, [&](const Node& node) {
    require_unused(node);
    if (completes == Completes::none) return;
    for_each_leaf(node, [&](const std::shared_ptr<Leaf>& reached) {
      Leaf& leaf = stand_in_for(reached);
      if (std::exchange(leaf.backward, backward) != backward) leaf.awaited = 0;
      ++leaf.awaited;
    });
  });
}

void complete(Leaf& leaf) {
  if (--leaf.awaited > 0) return;
  for (const auto& hook : leaf.hooks) hook();
}

}  // namespace

bool recording() { return is_recording; }

Substitutes* substitute(Substitutes* others) { return std::exchange(substitutes, others); }

bool needed(std::initializer_list<const Tensor*> inputs) {
  if (!is_recording) return false;
  return std::any_of(inputs.begin(), inputs.end(), [](const Tensor* input) {
    return input->defined() && input->requires_gradient();
  });
}

void attach(const Tensor& output, std::shared_ptr<Node> node, std::string_view name,
            std::initializer_list<const Tensor*> inputs) {
  node->name = name;
  node->order = ++last_order;
  for (const Tensor* tensor : inputs) {
    auto& input = node->inputs[static_cast<std::size_t>(node->input_count++)];
    if (!tensor->defined() || !tensor->requires_gradient()) continue;
    const TensorImplementation& from = tensor->implementation();
    input.node = from.node;
    input.leaf = from.leaf;
    input.shape = from.shape;
    input.dtype = from.dtype;
    input.device = from.device;
  }
  output.implementation().requires_gradient = true;
  output.implementation().node = std::move(node);
}

Gradients::Destination Gradients::destination(int index) {
  auto& input = node_.inputs[static_cast<std::size_t>(index)];
  Leaf* const leaf = input.leaf ? &stand_in_for(input.leaf) : nullptr;
  Tensor& target = leaf ? leaf->gradient : input.node->pending;
  if (!target.defined())
    target = Tensor(input.shape, input.dtype, input.device);
  else if (leaf == nullptr) {
    if (!may_be_added_to(target)) target = target.clone();
    return {target, true};
  }
  return {target, leaf && std::exchange(leaf->has_gradient, true)};
}

void Gradients::add(int index, const Tensor& gradient) {
  auto& input = node_.inputs[static_cast<std::size_t>(index)];
  if (input.node) {
    Tensor& pending = input.node->pending;
    if (pending.defined()) {
      accumulate(pending, gradient);
    } else {
      pending = gradient;
    }
    return;
  }
  const auto [tensor, adds] = destination(index);
  if (adds) {
    add_into(tensor, gradient.dense());
  } else {
    Tensor(tensor).copy_from(gradient);
  }
}

Leaves leaves_of(const Tensor& root) {
  Leaves leaves;
  Node* const last = root.implementation().node.get();
  if (last == nullptr) return leaves;
  for_each_node(*last, ++last_backward, [&](const Node& node) {
    for_each_leaf(node, [&](const auto& leaf) { leaves.push_back(leaf); });
  });
  return leaves;
}

void run_backward(const Tensor& root, Tensor seed, Completes completes) {
  const std::shared_ptr<Node> last = root.implementation().node;
  if (last == nullptr)
    fail("backward: this tensor was not computed from any that requires a gradient");
  if (!seed.defined() && root.elements() != 1) {
    fail("backward: a tensor of shape " + to_string(root.shape()) + " needs a seed of that shape");
  }
  const NoGrad no_grad;
  const uint64_t backward = ++last_backward;
  prepare(*last, backward, completes);
  last->pending = seed.defined() ? std::move(seed)
                                 : Tensor::full(root.shape(), 1.0, root.dtype(), root.device());

  // The latest recorded first: whoever adds to a node's gradient was recorded after it.
  Open<std::shared_ptr<Node>> open = {last};
  while (!open.empty()) {
    std::pop_heap(open.begin(), open.end(), is_earlier);
    const std::shared_ptr<Node> node = std::move(open.back());
    open.pop_back();

    if (node->pending.defined()) {
      Tensor gradient = std::exchange(node->pending, {}).dense();
      Gradients gradients(*node);
      node->backward(gradient, gradients);
    }
    node->release();
    node->released = true;
    if (completes == Completes::all) {
      for_each_leaf(*node, [](const auto& leaf) { complete(stand_in_for(leaf)); });
    }
    node->leaves.clear();
    for (auto& input : node->inputs) {
      if (input.node && input.node->visited == backward) {
        input.node->visited = 0;  // queued once
        open.push_back(std::move(input.node));
        std::push_heap(open.begin(), open.end(), is_earlier);
      }
      input.node.reset();
      input.leaf.reset();
    }
  }
}

}  // namespace autograd
}  // namespace ripieno
