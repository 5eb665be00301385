#include "ripieno/core/recomputation.h"

#include <utility>

#include "ripieno/core/autograd.h"
#include "ripieno/core/random.h"

namespace ripieno {
namespace {

using autograd::Gradients;
using autograd::Node;

// Where the record of the function begins: keeps the gradient that arrives there.
struct Entry final : Node {
  void backward(Tensor& gradient, Gradients&) override { arrived = std::move(gradient); }
  void release() override {}

  Tensor arrived;
};

// What a call of the function recorded.
struct Call {
  Call(const std::function<Tensor(const Tensor&)>& function, const Tensor& input, bool wanted) {
    const autograd::Recording recording;
    Tensor x = input.detach();
    if (wanted) {
      entry = std::allocate_shared<Entry>(PoolAllocator<Entry>());
      autograd::attach(x, entry, "recomputed input", {});
    }
    output = function(x);
  }

  std::shared_ptr<Entry> entry;
  Tensor output;
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

// As random_context() was.
class SameRandomNumbers {
 public:
  explicit SameRandomNumbers(const RandomContext& context)
      : before_(std::exchange(random_context(), context)) {}
  ~SameRandomNumbers() { random_context() = before_; }
  SameRandomNumbers(const SameRandomNumbers&) = delete;
  SameRandomNumbers& operator=(const SameRandomNumbers&) = delete;

 private:
  RandomContext before_;
};

struct Recomputed final : Node {
  void backward(Tensor& gradient, Gradients& gradients) override {
    const SameRandomNumbers same(context);
    const Recomputing again;
    const Call call(function, input, gradients.wanted(0));
    autograd::run_backward(call.output, std::move(gradient), autograd::Completes::none);
    if (call.entry && call.entry->arrived.defined()) gradients.add(0, call.entry->arrived);
  }
  void release() override { function = nullptr, input = {}; }

  std::function<Tensor(const Tensor&)> function;
  Tensor input;
  RandomContext context;
};

}  // namespace

bool is_recomputing() { return recomputing; }

Tensor recomputed(std::function<Tensor(const Tensor&)> function, const Tensor& input) {
  if (!autograd::recording()) return function(input);
  // Recorded only to find the parameters: the very computation that the backward will repeat.
  const Tensor output = Call(function, input, input.requires_gradient()).output;
  if (!output.requires_gradient()) return output;
  auto node = std::allocate_shared<Recomputed>(PoolAllocator<Recomputed>());
  node->leaves = autograd::leaves_of(output);
  node->function = std::move(function);
  node->input = input.detach();
  node->context = random_context();
  const Tensor result = output.detach();
  autograd::attach(result, std::move(node), "recomputed", {&input});
  return result;
}

}  // namespace ripieno
