// Fits y = 2 x + 1 to noisy points with a model, its gradients and an optimizer.
#include <cmath>
#include <cstdio>
#include <vector>

#include "ripieno/ripieno.h"

int fit() {
  constexpr int64_t kPoints = 64;
  std::vector<float> xs, ys;
  for (int i = 0; i < kPoints; ++i) {
    const float x = -1.0f + 2.0f * static_cast<float>(i) / kPoints;
    xs.push_back(x);
    ys.push_back(2.0f * x + 1.0f + 0.1f * std::sin(37.0f * static_cast<float>(i)));  // "noise"
  }
  const auto x = ripieno::Tensor::of<float>({kPoints, 1}, xs);  // (points, inputs)
  const auto y = ripieno::Tensor::of<float>({kPoints, 1}, ys);  // (points, outputs)

  ripieno::nn::Linear line(1, 1);
  ripieno::optim::Sgd optimizer(line.parameters(), {.learning_rate = 0.1, .momentum = 0.9});

  for (int step = 1; step <= 100; ++step) {
    const auto loss = mse(line(x), y);
    optimizer.step(loss);  // computes the gradients of weight and bias, and updates both
    if (step % 20 == 0) std::printf("step %3d  loss %.5f\n", step, loss.mean());
  }
  std::printf("y = %.2f x + %.2f\n", line.weight().item(), line.bias().item());
  return 0;
}

int main() { return ripieno::run_program(fit); }
