// run_backward(): runs the backward of recorded operations in reverse order.
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <exception>

#include "ripieno/core/add_into.h"
#include "ripieno/core/autograd.h"
#include "ripieno/core/tensor_implementation.h"
#include "ripieno/core/work.h"

namespace ripieno::autograd {
namespace {

class BackwardPass;

std::atomic<uint64_t> last_walk = 0;
thread_local Substitutes* substitutes = nullptr;
thread_local const BackwardPass* running = nullptr;  // the innermost

Leaf& resolve_leaf(const std::shared_ptr<Leaf>& leaf) {
  if (substitutes == nullptr) [[likely]]
    return *leaf;
  const auto found = substitutes->find(leaf.get());
  if (found == substitutes->end()) {
    fail(
        "backward: reached a tensor that requires a gradient but is not a parameter of the model; "
        "separate gradients (parallel.strict) support parameters only, so detach() it");
  }
  return found->second;
}

// Whether an in-place change of it would be invisible to others.
bool can_accumulate_into(const Tensor& pending) {
  return pending.is_dense() && pending.is_exclusive();
}

void accumulate(Tensor& pending, const Tensor& gradient) {
  if (!pending.defined()) {
    pending = gradient;
    return;
  }
  if (!can_accumulate_into(pending)) pending = pending.clone();
  add_into(pending, gradient.dense());
}

Tensor& pending_of(const Node::Input& input) {
  return input.node->pending[static_cast<std::size_t>(input.output)];
}

bool is_earlier(const std::shared_ptr<Node>& a, const std::shared_ptr<Node>& b) {
  return a->order < b->order;
}

template <typename Visit>
void for_each_leaf(const Node& node, const Visit& visit) {
  for (const auto& input : node.inputs) {
    if (input.leaf) visit(input.leaf);
  }
  for (const auto& leaf : node.leaves) visit(leaf);
}

// One backward, from its root to the leaves.
class BackwardPass {
 public:
  BackwardPass(LeafHooks leaf_hooks, uint64_t after)
      : leaf_hooks_(leaf_hooks), after_(after), outer_(std::exchange(running, this)) {}
  ~BackwardPass() { running = outer_; }
  BackwardPass(const BackwardPass&) = delete;
  BackwardPass& operator=(const BackwardPass&) = delete;

  void run(const std::shared_ptr<Node>& root, int output, Tensor seed);
  std::string_view operation() const { return current_ ? current_->name : "backward"; }
  // Whether this backward, or one that it is nested in, includes the nodes that traversal `mark`
  // visited.
  bool has_visited(uint64_t mark) const {
    return mark == walk_ || (outer_ != nullptr && outer_->has_visited(mark));
  }

 private:
  void prepare(Node& root);
  void compute(Node& node);
  void complete(Leaf& leaf);
  void queue_inputs(Node& node);
  std::shared_ptr<Node> pop_latest();
  void clear_gradients();

  const LeafHooks leaf_hooks_;
  const uint64_t after_;
  const BackwardPass* const outer_;
  const uint64_t walk_ = ++last_walk;
  const Node* current_ = nullptr;
  PoolVector<std::shared_ptr<Node>> queue_;  // a heap: the last recorded first
  Leaves reached_;                           // one entry per use
  std::exception_ptr failure_;
};

// Marks `node` as visited by the traversal; false if it was already. Throws Error if the node is
// part of a running outer backward.
bool mark_visited(Node& node, uint64_t walk) {
  if (node.visited == walk) return false;
  if (running != nullptr && !node.released && running->has_visited(node.visited)) {
    fail(fmt::format(
        "backward: operation '{}' is already part of the outer backward that is running",
        node.name));
  }
  node.visited = walk;
  return true;
}

// Calls visit(node) once for each node recorded after `after` that `root` depends on, and
// visit_earlier(input) for each input that an earlier operation computed.
template <typename Visit, typename VisitEarlier>
void for_each_node(Node& root, uint64_t walk, uint64_t after, const Visit& visit,
                   const VisitEarlier& visit_earlier) {
  PoolVector<Node*> open;
  if (mark_visited(root, walk)) open.push_back(&root);
  while (!open.empty()) {
    Node& node = *open.back();
    open.pop_back();
    visit(node);
    for (const auto& input : node.inputs) {
      if (input.node == nullptr) continue;
      if (input.node->order <= after) {
        visit_earlier(input);
      } else if (mark_visited(*input.node, walk)) {
        open.push_back(input.node.get());
      }
    }
  }
}

// Counts how often each leaf will be reached, so that its hooks run with the last contribution.
void BackwardPass::prepare(Node& root) {
  std::size_t nodes = 0;
  const auto visit = [&](const Node& node) {
    ++nodes;
    if (node.released) {
      fail(
          fmt::format("backward: '{}' was used by an earlier backward, which freed its saved "
                      "tensors; compute the loss again",
                      node.name));
    }
    if (leaf_hooks_ == LeafHooks::defer) return;
    for_each_leaf(node, [&](const std::shared_ptr<Leaf>& leaf) {
      Leaf& reached = resolve_leaf(leaf);
      reached_.push_back(leaf);
      ++reached.awaited;
    });
  };
  for_each_node(root, walk_, after_, visit, [](const auto&) {});
  queue_.reserve(nodes);
}

void BackwardPass::run(const std::shared_ptr<Node>& root, int output, Tensor seed) {
  try {
    prepare(*root);
  } catch (...) {
    for (const auto& leaf : reached_) --resolve_leaf(leaf).awaited;
    throw;
  }
  root->pending[static_cast<std::size_t>(output)] = std::move(seed);
  queue_.push_back(root);
  while (!queue_.empty()) {
    const std::shared_ptr<Node> node = pop_latest();
    current_ = node.get();
    if (!failure_) compute(*node);
    for (Tensor& gradient : node->pending) gradient = {};
    node->release();
    node->released = true;
    if (leaf_hooks_ == LeafHooks::run) {
      for_each_leaf(*node, [&](const auto& leaf) { complete(resolve_leaf(leaf)); });
    }
    node->leaves.clear();
    queue_inputs(*node);
  }
  if (failure_) {
    clear_gradients();
    std::rethrow_exception(failure_);
  }
}

std::shared_ptr<Node> BackwardPass::pop_latest() {
  std::pop_heap(queue_.begin(), queue_.end(), is_earlier);
  std::shared_ptr<Node> node = std::move(queue_.back());
  queue_.pop_back();
  return node;
}

void BackwardPass::compute(Node& node) {
  const std::span<Tensor> pending(node.pending.data(), node.pending.size());
  if (std::none_of(pending.begin(), pending.end(), [](auto& x) { return x.defined(); })) return;
  try {
    for (Tensor& gradient : pending) {
      if (gradient.defined()) gradient = gradient.dense();
    }
    const ProfiledOperation profiled(node.name);
    Gradients gradients(node);
    node.backward(pending, gradients);
    gradients.finish();
  } catch (...) {
    failure_ = std::current_exception();
  }
}

void BackwardPass::complete(Leaf& leaf) {
  if (--leaf.awaited > 0 || failure_) return;
  try {
    for (const auto& hook : leaf.hooks) hook();
  } catch (...) {
    failure_ = std::current_exception();
  }
}

// A node's gradient receives contributions only from nodes recorded after it, so it is complete
// when the node is the last recorded one in the queue.
void BackwardPass::queue_inputs(Node& node) {
  for (auto& input : node.inputs) {
    if (input.node && input.node->visited == walk_ && !std::exchange(input.node->queued, true)) {
      queue_.push_back(std::move(input.node));
      std::push_heap(queue_.begin(), queue_.end(), is_earlier);
    }
    input.node.reset();
    input.leaf.reset();
  }
}

void BackwardPass::clear_gradients() {
  for (const auto& leaf : reached_) resolve_leaf(leaf).has_gradient = false;
}

Tensor seed_for(const Tensor& root, Tensor seed) {
  if (!seed.defined()) {
    if (root.elements() == 1) return Tensor::full(root.shape(), 1.0, root.dtype(), root.device());
    fail("backward: the tensor has shape " + to_string(root.shape()) +
         ", not a single element; pass a seed of that shape");
  }
  if (seed.shape() == root.shape() && seed.dtype() == root.dtype() &&
      seed.device() == root.device()) {
    return seed;
  }
  fail(fmt::format("backward: the seed is {}, the output of '{}' is {}; they must match",
                   describe(seed), root.implementation().node->name, describe(root)));
}

}  // namespace

Substitutes* substitute(Substitutes* others) { return std::exchange(substitutes, others); }

std::string_view running_operation() { return running ? running->operation() : "backward"; }

Node::Input& Gradients::at(int index) const {
  const auto count = static_cast<int>(node_.inputs.size());
  if (index < 0 || index >= count) {
    fail(fmt::format("{}: the backward uses input {}, but the operation has {} inputs", node_.name,
                     index, count));
  }
  return node_.inputs[static_cast<std::size_t>(index)];
}

Node::Input& Gradients::wanted_at(int index) const {
  Node::Input& input = at(index);
  if (input.wanted()) return input;
  fail(fmt::format(
      "{}: the backward computes a gradient for input {}, which does not require one; check "
      "gradients.wanted({}) first",
      node_.name, index, index));
}

bool Gradients::is_repeated(const Node::Input& input) const {
  return std::any_of(node_.inputs.begin(), node_.inputs.end(), [&](const Node::Input& other) {
    return &other != &input && other.node == input.node && other.leaf == input.leaf &&
           other.output == input.output;
  });
}

Gradients::Destination Gradients::destination(int index) {
  const Node::Input& input = wanted_at(index);
  if (is_repeated(input)) {
    const Tensor share(input.shape, input.dtype, input.device);
    deferred_.emplace_back(index, share);
    return {share, false};
  }
  Leaf* const leaf = input.leaf ? &resolve_leaf(input.leaf) : nullptr;
  Tensor& target = leaf ? leaf->gradient : pending_of(input);
  if (!target.defined())
    target = Tensor(input.shape, input.dtype, input.device);
  else if (leaf == nullptr) {
    if (!can_accumulate_into(target)) target = target.clone();
    return {target, true};
  }
  return {target, leaf && std::exchange(leaf->has_gradient, true)};
}

void Gradients::add(int index, const Tensor& gradient) {
  const Node::Input& input = wanted_at(index);
  if (!gradient.defined() || !(gradient.shape() == input.shape) ||
      gradient.dtype() != input.dtype || gradient.device() != input.device) {
    fail(
        fmt::format("{}: the gradient of input {} is {}, the input is {} {} on {}; they must match",
                    node_.name, index, describe(gradient), to_string(input.shape),
                    name_of(input.dtype), to_string(input.device)));
  }
  if (input.node) return accumulate(pending_of(input), gradient);
  Leaf& leaf = resolve_leaf(input.leaf);
  if (!leaf.gradient.defined()) leaf.gradient = Tensor(input.shape, input.dtype, input.device);
  if (std::exchange(leaf.has_gradient, true)) {
    add_into(leaf.gradient, gradient.dense());
  } else {
    leaf.gradient.copy_from(gradient);
  }
}

void Gradients::finish() {
  for (const auto& [index, share] : deferred_) add(index, share);
}

Reached reached_from(const Tensor& root, uint64_t after) {
  Reached reached;
  Node* const last = root.implementation().node.get();
  if (last == nullptr) return reached;
  const auto visit = [&](const Node& node) {
    for_each_leaf(node, [&](const auto& leaf) { reached.leaves.push_back(leaf); });
  };
  const auto visit_earlier = [&](const Node::Input& input) {
    const bool known =
        std::any_of(reached.earlier.begin(), reached.earlier.end(), [&](const auto& other) {
          return other.node == input.node && other.output == input.output;
        });
    if (!known) reached.earlier.push_back(input);
  };
  for_each_node(*last, ++last_walk, after, visit, visit_earlier);
  return reached;
}

void run_backward(const Tensor& root, Tensor seed, LeafHooks leaf_hooks, uint64_t after) {
  const std::shared_ptr<Node> last = root.implementation().node;
  if (last == nullptr)
    fail("backward: the tensor was not computed from any tensor that requires a gradient");
  const NoGrad no_grad;
  Tensor gradient = seed_for(root, std::move(seed));
  BackwardPass(leaf_hooks, after).run(last, root.implementation().output, std::move(gradient));
}

}  // namespace ripieno::autograd
