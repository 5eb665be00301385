// Fits a line with a custom optimizer: Lion (Chen et al., 2023, arXiv 2302.06675), which updates by
// the sign of a momentum.
#include <cstdio>
#include <utility>

#include "ripieno/ripieno.h"

using ripieno::Tensor;

// The update rule uses tensor operations, so it runs on any device. It is element-wise, so
// parameters can be sharded anywhere. State, checkpoints and parameter groups work as for AdamW.
class Lion final : public ripieno::optim::Optimizer {
 public:
  Lion(ripieno::Parameters parameters, const ripieno::optim::Common& common)
      : Optimizer(std::move(parameters), common) {}

 private:
  void prepare() override { add_state("momentum"); }

  void update_tensor(const ParameterView& view) override {
    Tensor values = view.values, momentum = view.state("momentum");
    const Tensor mixed = momentum * 0.9 + view.gradient * 0.1;
    const Tensor sign = mixed / sqrt(square(mixed) + 1e-30);  // 0 at 0
    values.copy_from(values - (sign + values * view.weight_decay) * view.learning_rate);
    momentum.copy_from(momentum * 0.99 + view.gradient * 0.01);
  }
};

int fit() {
  const auto x = Tensor::of<float>({4, 1}, {-1.0f, -0.5f, 0.5f, 1.0f});  // (points, inputs)
  const auto y = Tensor::of<float>({4, 1}, {-1.0f, 0.0f, 2.0f, 3.0f});   // (points, outputs)
  ripieno::nn::Linear line(1, 1);
  Lion optimizer(line.parameters(), {.learning_rate = 0.02});
  for (int step = 1; step <= 1000; ++step) {
    const Tensor loss = mean(square(line(x) - y));
    loss.backward();
    optimizer.set_learning_rate(0.02 * (1.0 - step / 1000.0));
    optimizer.step();
    if (step % 200 == 0) std::printf("step %4d  loss %.5f\n", step, loss.item());
  }
  std::printf("y = %.2f x + %.2f\n", line.weight().item(), line.bias().item());
  return 0;
}

int main() { return ripieno::run_program(fit); }
