// Autograd: operations record how to go backwards, and backward() walks the record.
//
// For authors of operations (docs/add_an_operation.md). A graph may be recorded in one thread and
// gone through in another; no two backwards go through one operation, or add to one leaf, at once.
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

// While one lives, this thread records nothing.
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

// While one lives, this thread records, within a NoGrad too: for what a backward computes again.
class Recording {
 public:
  Recording();
  ~Recording();
  Recording(const Recording&) = delete;
  Recording& operator=(const Recording&) = delete;

 private:
  bool before_;
};

bool recording();

// The gradient of a leaf, kept between backwards until it is cleared.
struct Leaf {
  Tensor gradient;            // dense, of the leaf's shape; part of an arena for a parameter
  bool has_gradient = false;  // false: the next contribution overwrites
  int awaited = 0;            // contributions that the running backwards still owe
  std::vector<std::function<void()>> hooks;
};

// Leaves that stand in for others in the backwards of a thread (separate_gradients.h).
using Substitutes = std::unordered_map<const Leaf*, Leaf>;
// For this thread from now on; null: every leaf stands for itself. Returns what was before.
Substitutes* substitute(Substitutes* substitutes);

class Gradients;

template <typename T>
using PoolVector = std::vector<T, PoolAllocator<T>>;
using Leaves = PoolVector<std::shared_ptr<Leaf>>;

// One recorded operation.
struct Node {
  struct Input {
    std::shared_ptr<Node> node;  // at most one of the two is set: the operation that it is
    std::shared_ptr<Leaf> leaf;  // an output of, or the leaf
    int output = 0;              // which output
    Shape shape;
    DType dtype = DType::float32;
    Device device;
    bool wanted() const { return node != nullptr || leaf != nullptr; }
  };

  Node() = default;
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;
  virtual ~Node();
  // It may take the gradients of the outputs, which nobody needs after it.
  virtual void backward(std::span<Tensor> output_gradients, Gradients& gradients) = 0;
  // Frees what was kept for the backward.
  virtual void release() = 0;

  std::string_view name;
  uint64_t order = 0;    // of recording, in the whole process: after that of its inputs
  uint64_t visited = 0;  // by the walk of this number
  bool queued = false;   // by the backward that visited it
  bool released = false;
  InlineArray<Input, 3> inputs;
  InlineArray<Tensor, 1> pending;  // the gradient of each output, as far as it has come together
  Leaves leaves;                   // that its backward reaches besides its inputs
  std::shared_ptr<Node> next;      // see let_go()
};

// Where an operation's backward leaves the gradients of its inputs. Throws Error, which names the
// operation, for an input that it does not have or that wants none.
class Gradients {
 public:
  explicit Gradients(Node& node) : node_(node) {}

  bool wanted(int input) const { return at(input).wanted(); }

  // Memory of the input's shape, dense. The caller writes the gradient, or adds it where
  // `accumulate`, before its backward returns.
  struct Destination {
    Tensor tensor;
    bool accumulate;
  };
  Destination destination(int input);

  // Hands over a finished gradient, of the input's shape, element type and device; the caller does
  // not write it any more.
  void add(int input, const Tensor& gradient);

  // Adds what was set aside: once, after the backward.
  void finish();

 private:
  Node::Input& at(int input) const;
  Node::Input& wanted_at(int input) const;
  bool is_given_twice(const Node::Input& input) const;

  Node& node_;
  // Of a tensor that is several of the inputs: (input, its share of the gradient).
  PoolVector<std::pair<int, Tensor>> set_aside_;
};

// A tensor that an operation keeps for its backward. Memory that is written between the two is
// noticed: by fill, copy_from, add_into and all else that calls Tensor::mark_changed().
//
//   [saved = Saved(x)](const Tensor& gradient, Gradients& gradients) { … gradient * *saved … }
//
// A parameter is kept as the handle that follows its arena; of other tensors, their numbers alone.
class Saved {
 public:
  Saved() = default;
  // Nothing where `tensor` is undefined.
  explicit Saved(const Tensor& tensor);

  bool defined() const { return tensor_.defined(); }
  // The tensor, undefined where that was saved. Throws Error, which names the operation whose
  // backward runs, where it has changed.
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

// Whether an operation on these has to be recorded.
bool needed(std::initializer_list<const Tensor*> inputs);
bool needed(std::span<const Tensor> inputs);

// Makes `node` the operation that outputs came from; `more`: inputs that no tensor stands for.
void attach(const Tensor& output, std::shared_ptr<Node> node, std::string_view name,
            std::initializer_list<const Tensor*> inputs, std::span<const Node::Input> more = {});
void attach(std::span<const Tensor> outputs, std::shared_ptr<Node> node, std::string_view name,
            std::span<const Tensor> inputs);

template <typename Backward>
std::shared_ptr<Node> make_node(Backward backward) {
  using Operation = RecordedOperation<Backward>;
  return std::allocate_shared<Operation>(PoolAllocator<Operation>(), std::move(backward));
}

// Records that `outputs` came from `inputs`, any number of each, where one of the inputs requires a
// gradient; undefined inputs are passed over. Outputs are new tensors. `name` lives as long as the
// process: a literal.
//
// backward(output_gradients, gradients) gets the gradient of each output, dense: a
// std::span<Tensor>, in which those of outputs that nothing used are undefined. It must not hold an
// output itself (a cycle): Saved(output), or output.detach(), will do.
template <typename Backward>
void record(std::string_view name, std::span<const Tensor> outputs, std::span<const Tensor> inputs,
            Backward backward) {
  if (needed(inputs)) attach(outputs, make_node(std::move(backward)), name, inputs);
}

// The same for one output: backward(gradient, gradients).
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

// Of the operation recorded last, in any thread.
uint64_t last_order();
// The one whose backward this thread runs, for messages.
std::string_view running_operation();

// Which leaves that a backward reaches are complete with it, so that their hooks run: all, or none,
// since it is part of another one, whose node has them among its `leaves`.
enum class Completes { all, none };

// Goes through what was recorded later than the operation of order `after`; gradients of earlier
// ones are left to the backward that this one is part of. Where it throws, the record is spent, and
// the leaves that it reaches have no gradients.
void run_backward(const Tensor& root, Tensor seed, Completes completes = Completes::all,
                  uint64_t after = 0);

// What a backward from `root` reaches that stops where `after` says.
struct Reached {
  Leaves leaves;                    // as often as it reaches them
  PoolVector<Node::Input> earlier;  // outputs of earlier operations, each once
};
Reached reached_from(const Tensor& root, uint64_t after);

}  // namespace autograd
}  // namespace ripieno
