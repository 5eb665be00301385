// Autograd: operations record how to go backwards, and backward() walks the record.
//
// For authors of operations (docs/add_an_operation.md). Each thread records its own graph.
#pragma once

#include <array>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "ripieno/core/device/memory.h"
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
  int awaited = 0;            // contributions that the running backward still owes
  uint64_t backward = 0;      // the backward that `awaited` belongs to
  std::vector<std::function<void()>> hooks;
};

// Leaves that stand in for others in the backwards of a thread (separate_gradients.h).
using Substitutes = std::unordered_map<const Leaf*, Leaf>;
// For this thread from now on; null: every leaf stands for itself. Returns what was before.
Substitutes* substitute(Substitutes* substitutes);

class Gradients;

using Leaves = std::vector<std::shared_ptr<Leaf>, PoolAllocator<std::shared_ptr<Leaf>>>;

// One recorded operation, of one differentiable output.
struct Node {
  static constexpr int kMaxInputs = 5;

  struct Input {
    std::shared_ptr<Node> node;  // at most one of the two is set
    std::shared_ptr<Leaf> leaf;
    Shape shape;
    DType dtype = DType::float32;
    Device device;
    bool wanted() const { return node != nullptr || leaf != nullptr; }
  };

  virtual ~Node() = default;
  // It may take the gradient, which nobody needs after it.
  virtual void backward(Tensor& gradient, Gradients& gradients) = 0;
  // Frees what was kept for the backward.
  virtual void release() = 0;

  std::string_view name;
  uint64_t order = 0;  // of recording in its thread: an operation comes after its inputs
  uint64_t visited = 0;
  bool released = false;
  std::array<Input, kMaxInputs> inputs;
  int input_count = 0;
  Leaves leaves;   // that its backward reaches besides its inputs
  Tensor pending;  // the gradient of the output, as far as it has come together
};

// Where an operation's backward leaves the gradients of its inputs.
class Gradients {
 public:
  explicit Gradients(Node& node) : node_(node) {}

  bool wanted(int input) const { return node_.inputs[static_cast<std::size_t>(input)].wanted(); }

  // Memory of the input's shape, dense. The caller writes the gradient, or adds it where
  // `accumulate`.
  struct Destination {
    Tensor tensor;
    bool accumulate;
  };
  Destination destination(int input);

  // Hands over a finished gradient; the caller does not write it any more.
  void add(int input, const Tensor& gradient);

 private:
  Node& node_;
};

template <typename Backward>
struct RecordedOperation final : Node {
  explicit RecordedOperation(Backward given) : function(std::move(given)) {}
  void backward(Tensor& gradient, Gradients& gradients) override {
    (*function)(gradient, gradients);
  }
  void release() override { function.reset(); }

  std::optional<Backward> function;
};

// Whether an operation on these has to be recorded.
bool needed(std::initializer_list<const Tensor*> inputs);
void attach(const Tensor& output, std::shared_ptr<Node> node, std::string_view name,
            std::initializer_list<const Tensor*> inputs);

// Records that `output` came from `inputs`, where one of them requires a gradient.
// `backward(gradient, gradients)` gets the gradient of the output, dense. It must not hold `output`
// itself (a cycle): output.detach() will do.
template <typename Backward>
Tensor record(std::string_view name, Tensor output, std::initializer_list<const Tensor*> inputs,
              Backward backward) {
  if (needed(inputs)) {
    using Operation = RecordedOperation<Backward>;
    attach(output, std::allocate_shared<Operation>(PoolAllocator<Operation>(), std::move(backward)),
           name, inputs);
  }
  return output;
}

// Which leaves that a backward reaches are complete with it, so that their hooks run: all, or none,
// since it is part of another one, whose node has them among its `leaves`.
enum class Completes { all, none };
void run_backward(const Tensor& root, Tensor seed, Completes completes = Completes::all);

// The leaves that a backward from `root` will reach, as often as it does.
Leaves leaves_of(const Tensor& root);

}  // namespace autograd
}  // namespace ripieno
