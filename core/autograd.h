// Reverse-mode automatic differentiation: operations record their backward, and run_backward()
// calls them in reverse order.
//
// For authors of operations (docs/add_an_operation.md). A graph may be recorded by one thread and
// differentiated by another, but two backwards must not run through the same operation, or
// accumulate into the same leaf, at the same time.
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "ripieno/core/device/memory.h"
#include "ripieno/core/inline_array.h"
#include "ripieno/core/tensor.h"

namespace ripieno {

// Disables recording in this thread while it exists, as torch.no_grad() does. Guards nest.
class NoGrad {
 public:
  NoGrad();
  ~NoGrad();
  NoGrad(const NoGrad&) = delete;
  NoGrad& operator=(const NoGrad&) = delete;

 private:
  bool before_;
};

namespace autograd {

// Enables recording in this thread while it exists, even inside a NoGrad: for recomputation during
// a backward.
class Recording {
 public:
  Recording();
  ~Recording();
  Recording(const Recording&) = delete;
  Recording& operator=(const Recording&) = delete;

 private:
  bool before_;
};

// Whether this thread records operations: true unless a NoGrad is active.
bool recording();

// The gradient of a leaf. Backwards accumulate into it until it is cleared.
struct Leaf {
  Tensor gradient;            // dense, of the leaf's shape; a view of an arena for a parameter
  bool has_gradient = false;  // false: the next contribution overwrites
  int awaited = 0;            // contributions still to come from the running backwards
  std::vector<std::function<void()>> hooks;  // run when the gradient is complete
};

// Maps a leaf to the one that receives its gradient instead, within one thread
// (separate_gradients.h).
using Substitutes = std::unordered_map<const Leaf*, Leaf>;
// Sets the substitutes of this thread, and returns the previous ones. null: every leaf receives its
// own gradient.
Substitutes* substitute(Substitutes* substitutes);

class Gradients;

template <typename T>
using PoolVector = std::vector<T, PoolAllocator<T>>;
using Leaves = PoolVector<std::shared_ptr<Leaf>>;

// One recorded operation.
struct Node {
  struct Input {
    std::shared_ptr<Node> node;  // the operation that computed the input, if one was recorded
    std::shared_ptr<Leaf> leaf;  // the leaf, if the input is one; at most one of the two is set
    int output = 0;              // which output of `node` the input is
    Shape shape;
    DType dtype = DType::float32;
    Device device;
    // Whether the input requires a gradient.
    bool wanted() const { return node != nullptr || leaf != nullptr; }
  };

  Node() = default;
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;
  virtual ~Node();
  // Computes the gradients of the inputs from those of the outputs. It may modify or move from
  // `output_gradients`: they are not used afterwards.
  virtual void backward(std::span<Tensor> output_gradients, Gradients& gradients) = 0;
  // Frees the saved tensors; backward() cannot be called any more.
  virtual void release() = 0;

  std::string_view name;
  uint64_t order = 0;    // of recording, counted over the whole process; after its inputs' orders
  uint64_t visited = 0;  // number of the last traversal that reached it
  bool queued = false;   // by the backward that visited it
  bool released = false;
  InlineArray<Input, 3> inputs;
  InlineArray<Tensor, 1> pending;  // the gradient of each output, as accumulated so far
  Leaves leaves;                   // reached by its backward, other than its inputs
  std::shared_ptr<Node> next;      // the next node to free: see drop_graph()
};

// Receives the gradients of an operation's inputs from its backward. Methods that take an input
// throw Error, naming the operation, if there is no such input; destination() and add() also if the
// input does not require a gradient.
class Gradients {
 public:
  explicit Gradients(Node& node) : node_(node) {}

  // Whether the input requires a gradient; skip the computation of those that do not.
  bool wanted(int input) const { return at(input).wanted(); }

  // Dense memory of the input's shape, element type and device. The caller writes the gradient to
  // it, or adds to it if `accumulate` is set, before its backward returns.
  struct Destination {
    Tensor tensor;
    bool accumulate;
  };
  Destination destination(int input);

  // Accumulates a computed gradient, which must have the input's shape, element type and device;
  // throws Error otherwise. The caller must not modify `gradient` afterwards.
  void add(int input, const Tensor& gradient);

  // Adds the deferred gradients. Called once, after the backward.
  void finish();

 private:
  Node::Input& at(int input) const;
  Node::Input& wanted_at(int input) const;
  bool is_repeated(const Node::Input& input) const;

  Node& node_;
  // For a tensor that is passed as several inputs: (input, its contribution to the gradient).
  PoolVector<std::pair<int, Tensor>> deferred_;
};

// A saved tensor: one that an operation keeps from its forward for its backward. In-place changes
// between the two are detected, if they are made by fill, copy_from, add_into or other code that
// calls Tensor::mark_changed().
//
//   [saved = Saved(x)](const Tensor& gradient, Gradients& gradients) { … gradient * *saved … }
//
// A leaf, such as a parameter, is saved as its handle, which follows its arena when that moves; any
// other tensor is saved detached.
class Saved {
 public:
  Saved() = default;
  // An undefined tensor is saved as undefined.
  explicit Saved(const Tensor& tensor);

  bool defined() const { return tensor_.defined(); }
  // The saved tensor; undefined if an undefined one was saved. Throws Error if it was changed in
  // place since, naming the operation whose backward runs.
  const Tensor& operator*() const;
  const Tensor* operator->() const { return &**this; }

 private:
  Tensor tensor_;
  uint64_t version_ = 0;
};

template <typename Backward>
struct RecordedOperation final : Node {
  explicit RecordedOperation(Backward given) : function(std::move(given)) {}
  void backward(std::span<Tensor> output_gradients, Gradients& gradients) override {
    (*function)(output_gradients, gradients);
  }
  void release() override { function.reset(); }

  std::optional<Backward> function;
};

// Whether an operation with these inputs has to be recorded: recording is enabled and an input
// requires a gradient. Also notes the inputs for recomputation (tensor_reads.h).
bool needed(std::initializer_list<const Tensor*> inputs);
bool needed(std::span<const Tensor> inputs);

// Records `node` as the operation that computed the outputs. `more`: additional inputs that are not
// given as tensors. Throws Error if an output is undefined or already requires a gradient; integer
// outputs of the second form get no gradient.
void attach(const Tensor& output, std::shared_ptr<Node> node, std::string_view name,
            std::initializer_list<const Tensor*> inputs, std::span<const Node::Input> more = {});
void attach(std::span<const Tensor> outputs, std::shared_ptr<Node> node, std::string_view name,
            std::span<const Tensor> inputs);

template <typename Backward>
std::shared_ptr<Node> make_node(Backward backward) {
  using Operation = RecordedOperation<Backward>;
  return std::allocate_shared<Operation>(PoolAllocator<Operation>(), std::move(backward));
}

// Records that `outputs` were computed from `inputs`, any number of each, if recording is enabled
// and an input requires a gradient. Undefined inputs are skipped. Outputs must be new tensors;
// throws Error for one that is undefined or already requires a gradient. `name` must live as long
// as the process, as a string literal does.
//
// backward(output_gradients, gradients) receives a std::span<Tensor> with the gradient of each
// output, dense; those of unused outputs are undefined. It must not hold an output itself, which
// would be a reference cycle: hold Saved(output) or output.detach().
template <typename Backward>
void record(std::string_view name, std::span<const Tensor> outputs, std::span<const Tensor> inputs,
            Backward backward) {
  if (needed(inputs)) attach(outputs, make_node(std::move(backward)), name, inputs);
}

// The same for one output, with backward(gradient, gradients); returns `output`.
template <typename Backward>
Tensor record(std::string_view name, Tensor output, std::initializer_list<const Tensor*> inputs,
              Backward backward) {
  if (needed(inputs)) {
    auto of_one = [backward = std::move(backward)](std::span<Tensor> output_gradients,
                                                   Gradients& gradients) mutable {
      backward(output_gradients[0], gradients);
    };
    attach(output, make_node(std::move(of_one)), name, inputs);
  }
  return output;
}

// The order of the operation that was recorded last, by any thread.
uint64_t last_order();
// The name of the operation whose backward this thread is running, for messages; "backward" if
// there is none.
std::string_view running_operation();

// Whether a backward completes the leaves that it reaches and runs their hooks, or defers that to
// the outer backward that it is part of, whose node lists them in `leaves`.
enum class LeafHooks { run, defer };

// Runs the backward of `root`, which starts with `seed`, through the operations recorded later than
// the one of order `after`. Gradients of earlier operations are left for the outer backward. Frees
// the saved tensors of each operation as it goes, so a graph can be used once. If the backward of
// an operation or a hook throws, the rest of the graph is released too, and the leaves that it
// reaches have no gradients.
//
// Throws Error if `root` was not recorded, if the graph was used before, or if `seed` does not
// match `root`; an undefined seed means 1 and requires a `root` of one element.
void run_backward(const Tensor& root, Tensor seed, LeafHooks leaf_hooks = LeafHooks::run,
                  uint64_t after = 0);

// What a backward of `root` reaches if it stops at operations of order `after` and earlier.
struct Reached {
  Leaves leaves;                    // one entry per use
  PoolVector<Node::Input> earlier;  // outputs of earlier operations, without repeats
};
Reached reached_from(const Tensor& root, uint64_t after);

}  // namespace autograd
}  // namespace ripieno
