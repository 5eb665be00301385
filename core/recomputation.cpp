#include "ripieno/core/recomputation.h"

#include <algorithm>
#include <utility>

#include "ripieno/core/autograd.h"
#include "ripieno/core/operands.h"
#include "ripieno/core/random.h"
#include "ripieno/core/tensor_implementation.h"
#include "ripieno/core/tensor_reads.h"

namespace ripieno {
namespace {

using autograd::Gradients;
using autograd::Node;

// The node at the start of the recomputed graph: it receives the gradient of the function's input.
struct Entry final : Node {
  void backward(std::span<Tensor> gradients, Gradients&) override {
    arrived = std::move(gradients[0]);
  }
  void release() override {}

  Tensor arrived;
};

// The graph that one call of the function recorded.
struct Call {
  Call(const std::function<Tensor(const Tensor&)>& function, const Tensor& input, bool wanted) {
    const autograd::Recording recording;
    Tensor x = input.detach();
    if (wanted) {
      entry = std::allocate_shared<Entry>(PoolAllocator<Entry>());
      autograd::attach(x, entry, "recomputed input", {});
    }
    output = function(x);
    if (!output.defined()) fail("recomputed: the function returned an undefined tensor");
    if (output.requires_gradient() && !is_recorded_here()) {
      output = autograd::record(
          "recomputed output", output.detach(), {&output},
          [](const Tensor& gradient, Gradients& gradients) { gradients.add(0, gradient); });
    }
  }

  // What the function depends on that was recorded before it.
  autograd::Reached reached() const { return autograd::reached_from(output, before); }

  const uint64_t before = autograd::last_order();
  std::shared_ptr<Entry> entry;
  Tensor output;

 private:
  bool is_recorded_here() const {
    const Node* const node = output.implementation().node.get();
    return node != nullptr && node->order > before;
  }
};

thread_local bool recomputing = false;

class Recomputing {
 public:
  Recomputing() : before_(std::exchange(recomputing, true)) {}
  ~Recomputing() { recomputing = before_; }
  Recomputing(const Recomputing&) = delete;
  Recomputing& operator=(const Recomputing&) = delete;

 private:
  bool before_;
};

struct Recomputed final : Node {
  void backward(std::span<Tensor> output_gradients, Gradients& gradients) override {
    const ScopedRandomContext same(context);
    const Recomputing again;
    const Tensor& same_input = *input;
    reads.require_unchanged();
    const Call call(function, same_input, gradients.wanted(0));
    if (!call.output.requires_gradient()) return;  // everything that it reads has been frozen since
    const autograd::Reached reached = call.reached();
    for (const Input& read : reached.earlier) require_input(read);
    // Tensors that were recorded earlier are inputs of this node: they get their gradient here, and
    // the outer backward continues with them.
    autograd::run_backward(call.output, std::move(output_gradients[0]), autograd::LeafHooks::defer,
                           call.before);
    if (call.entry && call.entry->arrived.defined()) gradients.add(0, call.entry->arrived);
  }
  void release() override { function = nullptr, input = {}, reads = {}; }

  void require_input(const Input& read) const {
    const bool is_known = std::any_of(inputs.begin(), inputs.end(), [&](const Input& other) {
      return other.node == read.node && other.output == read.output;
    });
    if (!is_known) {
      fail("recomputed: the recomputed forward reads an output of '" +
           std::string(read.node->name) +
           "' that the first forward did not read; the function must do the same in every call");
    }
  }

  std::function<Tensor(const Tensor&)> function;
  autograd::Saved input;
  TensorReads reads;
  RandomContext context;
};

}  // namespace

bool is_recomputing() { return recomputing; }

Tensor recomputed(std::function<Tensor(const Tensor&)> function, const Tensor& input) {
  require_defined("recomputed", {{"input", input}});
  if (!function) fail("recomputed: the function is empty; pass one that can be called");
  if (!autograd::recording()) return function(input);
  auto node = std::allocate_shared<Recomputed>(PoolAllocator<Recomputed>());
  node->context = random_context();
  Tensor result;
  autograd::Reached reached;
  {
    // Recorded only to find what it reads: the same computation that the backward will repeat.
    const TensorReads::Tracking tracking(node->reads);
    const Call call(function, input, input.requires_gradient());
    if (!call.output.requires_gradient()) return call.output;
    result = call.output.detach();
    reached = call.reached();
  }
  node->reads.remove(result);
  node->reads.remove_freed_and_written();
  node->leaves = std::move(reached.leaves);
  node->function = std::move(function);
  node->input = autograd::Saved(input);
  autograd::attach(result, std::move(node), "recomputed", {&input}, reached.earlier);
  return result;
}

}  // namespace ripieno
