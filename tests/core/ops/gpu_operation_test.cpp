// Compares each operation on a GPU, forward and backward, with the same on the CPU; then training.
#include <cmath>
#include <functional>
#include <string>

#include "ripieno/core/autograd.h"
#include "ripieno/core/losses/cross_entropy.h"
#include "ripieno/core/losses/linear_cross_entropy.h"
#include "ripieno/core/models/gpt.h"
#include "ripieno/core/ops/activation.h"
#include "ripieno/core/ops/arithmetic.h"
#include "ripieno/core/ops/attention.h"
#include "ripieno/core/ops/dropout.h"
#include "ripieno/core/ops/embedding.h"
#include "ripieno/core/ops/layer_norm.h"
#include "ripieno/core/ops/matmul.h"
#include "ripieno/core/ops/reduce.h"
#include "ripieno/core/ops/softmax.h"
#include "ripieno/core/optim/adamw.h"
#include "ripieno/core/optim/sgd.h"
#include "ripieno/core/random.h"
#include "support/gpu_test.h"

namespace ripieno {
namespace {

using Inputs = std::vector<Tensor>;

struct Operation {
  std::string name;
  std::vector<Shape> shapes;  // of the inputs, which require gradients
  std::function<Tensor(const Inputs&)> call;
  double low = -2.0;  // lower bound of their elements
};

Tensor ids_on(Device device, const Shape& shape, int32_t size) {
  std::vector<int32_t> ids;
  for (int64_t i = 0; i < shape.elements(); ++i) {
    ids.push_back(static_cast<int32_t>(i * 7 % size));
  }
  return Tensor::of(shape, ids).to(device);
}

std::vector<Operation> operations() {
  return {{"add", {{3, 33}, {33}}, [](const Inputs& x) { return x[0] + x[1]; }},
          {"subtract", {{3, 33}, {3, 33}}, [](const Inputs& x) { return x[0] - x[1]; }},
          {"multiply", {{3, 33}, {3, 1}}, [](const Inputs& x) { return x[0] * x[1]; }},
          {"divide", {{3, 33}, {3, 33}}, [](const Inputs& x) { return x[0] / x[1]; }, 0.5},
          {"number", {{33}}, [](const Inputs& x) { return 2.0 - x[0] * 3.0 + 1.0; }},
          {"exp", {{33}}, [](const Inputs& x) { return exp(x[0]); }},
          {"log", {{33}}, [](const Inputs& x) { return log(x[0]); }, 0.5},
          {"sqrt", {{33}}, [](const Inputs& x) { return sqrt(x[0]); }, 0.5},
          {"tanh", {{33}}, [](const Inputs& x) { return tanh(x[0]); }},
          {"sin", {{33}}, [](const Inputs& x) { return sin(x[0]); }},
          {"cos", {{33}}, [](const Inputs& x) { return cos(x[0]); }},
          {"square", {{33}}, [](const Inputs& x) { return square(x[0]); }},
          {"reciprocal", {{33}}, [](const Inputs& x) { return reciprocal(x[0]); }, 0.5},
          {"relu", {{33}}, [](const Inputs& x) { return relu(x[0]); }},
          {"gelu", {{33}}, [](const Inputs& x) { return gelu(x[0]); }},
          {"gelu_tanh", {{33}}, [](const Inputs& x) { return gelu_tanh(x[0]); }},
          {"sum", {{7, 33}}, [](const Inputs& x) { return sum(x[0]); }},
          {"sum of an axis", {{7, 33}}, [](const Inputs& x) { return sum(x[0], 0); }},
          {"mean", {{7, 33}}, [](const Inputs& x) { return mean(x[0], 1, true); }},
          {"max", {{7, 33}}, [](const Inputs& x) { return max(x[0], 1); }},
          {"softmax", {{7, 33}}, [](const Inputs& x) { return softmax(x[0]); }},
          {"log_softmax", {{7, 33}}, [](const Inputs& x) { return log_softmax(x[0]); }},
          {"matmul", {{2, 5, 9}, {2, 9, 8}}, [](const Inputs& x) { return matmul(x[0], x[1]); }},
          {"matmul of a transpose",
           {{9, 5}, {9, 8}},
           [](const Inputs& x) { return matmul(x[0].transpose(0, 1), x[1]); }},
          {"linear",
           {{5, 16}, {24, 16}, {24}},
           [](const Inputs& x) { return linear(x[0], x[1], x[2], Activation::kGeluTanh); }},
          {"feed_forward",
           {{5, 16}, {24, 16}, {24}, {9, 24}, {9}},
           [](const Inputs& x) {
             return feed_forward(x[0], {x[1], x[2]}, {x[3], x[4]}, Activation::kGeluTanh);
           }},
          {"layer_norm",
           {{7, 33}, {33}, {33}},
           [](const Inputs& x) { return layer_norm(x[0], x[1], x[2]); }},
          {"residual and norm",
           {{5, 33}, {5, 33}, {33}, {33}},
           [](const Inputs& x) {
             const auto [sum, normalized] = residual_norm({x[0], x[1], 0.3, 1}, x[2], x[3]);
             return sum * normalized;
           }},
          {"norm of a residual without dropout",
           {{5, 64}, {5, 64}},
           [](const Inputs& x) {
             return residual_norm({x[0], x[1]}).normalized;
           }},
          {"sum of many rows", {{300, 40}}, [](const Inputs& x) { return sum(x[0], 0); }},
          {"attention", {{2, 9, 48}}, [](const Inputs& x) { return causal_attention(x[0], 2); }},
          {"dropout", {{5, 33}}, [](const Inputs& x) { return dropout(x[0], 0.3, 1); }},
          {"embedding",
           {{11, 16}},
           [](const Inputs& x) {
             return embedding(x[0], ids_on(x[0].device(), {3, 7}, 11));
           }},
          {"embedding with positions",
           {{11, 16}, {7, 16}},
           [](const Inputs& x) {
             return embedding(x[0], ids_on(x[0].device(), {3, 7}, 11), x[1]);
           }},
          {"linear_cross_entropy in three chunks",
           {{300, 9}, {11, 9}},
           [](const Inputs& x) {
             const Tensor targets = ids_on(x[0].device(), {300}, 11);
             return linear_cross_entropy(x[0], x[1], targets, {.chunk_bytes = 1}).sum;
           }},
          {"cross_entropy",
           {{7, 11}},
           [](const Inputs& x) { return cross_entropy(x[0], ids_on(x[0].device(), {7}, 11)).sum; }},
          {"views", {{4, 6, 5}}, [](const Inputs& x) {
             return x[0].transpose(0, 2).reshape({5, 24}).slice(1, 3, 20).clone();
           }}};
}

Inputs inputs_of(const Operation& operation, Device device, DType dtype) {
  Inputs inputs;
  for (const Shape& shape : operation.shapes) {
    Tensor x(shape);
    fill_uniform(x, operation.low, 2.0, {.seed = inputs.size() + 1});
    inputs.push_back(x.to(dtype).to(device).set_requires_gradient());
  }
  return inputs;
}

// The result and the gradients of the inputs, with the gradient of the result 1, 2, 3, 1, 2, 3, …
std::vector<std::vector<double>> numbers_of(const Operation& operation, Device device,
                                            DType dtype) {
  const Inputs inputs = inputs_of(operation, device, dtype);
  const Tensor result = operation.call(inputs);
  std::vector<float> weights;
  for (int64_t i = 0; i < result.elements(); ++i) weights.push_back(1.0f + i % 3);
  result.backward(Tensor::of(result.shape(), weights).to(result.dtype()).to(device));
  std::vector<std::vector<double>> numbers{result.to_vector<double>()};
  for (const Tensor& x : inputs) numbers.push_back(x.gradient().to_vector<double>());
  return numbers;
}

void expect_near(const std::vector<double>& actual, const std::vector<double>& expected,
                 double tolerance) {
  ASSERT_EQ(actual.size(), expected.size());
  double largest = 1.0;
  for (const double x : expected) largest = std::max(largest, std::abs(x));
  for (std::size_t i = 0; i < actual.size(); ++i) {
    ASSERT_NEAR(actual[i], expected[i], tolerance * largest) << "element " << i;
  }
}

class GpuOperation : public testing::GpuTest {};

TEST_F(GpuOperation, MatchesTheCpuInResultsAndGradients) {
  for (const Operation& operation : operations()) {
    for (const auto& [dtype, tolerance] :
         {std::pair{DType::float32, 1e-5}, {DType::bfloat16, 0.02}, {DType::float16, 0.004}}) {
      SCOPED_TRACE(operation.name + " of " + std::string(name_of(dtype)));
      const auto on_cpu = numbers_of(operation, Device::cpu(), dtype);
      const auto on_gpu = numbers_of(operation, Device::cuda(), dtype);
      ASSERT_EQ(on_cpu.size(), on_gpu.size());
      for (std::size_t i = 0; i < on_cpu.size(); ++i) expect_near(on_gpu[i], on_cpu[i], tolerance);
    }
  }
}

// The sequence is longer than one tile of the kernel.
TEST_F(GpuOperation, CausalAttentionGradientMatchesFiniteDifferences) {
  const Shape shape = {1, 35, 12};
  Tensor qkv(shape, DType::float64), weights({1, 35, 4}, DType::float64, Device::cuda());
  fill_uniform(qkv, -1.0, 1.0, {.seed = 1});
  fill_uniform(weights, -1.0, 1.0, {.seed = 2});
  const auto loss_of = [&](const Tensor& x) { return sum(causal_attention(x, 2) * weights); };

  Tensor on_gpu = qkv.to(Device::cuda());
  on_gpu.set_requires_gradient();
  loss_of(on_gpu).backward();
  const auto gradient = on_gpu.gradient().to_vector<double>();

  const NoGrad no_grad;
  const double step = 1e-5;
  for (int64_t i = 0; i < shape.elements(); i += 7) {
    const auto moved = [&](double by) {
      auto numbers = qkv.to_vector<double>();
      numbers[i] += by;
      return loss_of(Tensor::of(shape, numbers).to(Device::cuda())).item();
    };
    EXPECT_NEAR((moved(step) - moved(-step)) / (2 * step), gradient[i], 1e-7) << "element " << i;
  }
}

TEST_F(GpuOperation, RandomNumbersEqualThoseOfTheCpu) {
  Tensor on_cpu({1001}), on_gpu({1001}, DType::float32, Device::cuda());
  for (const Tensor& x : {on_cpu, on_gpu}) fill_uniform(x, 0.0, 1.0, {.seed = 3, .stream = 5});
  EXPECT_EQ(on_gpu.to_vector<float>(), on_cpu.to_vector<float>());
}

// The loss of each step of a tiny GPT.
template <typename Optimizer, typename Options>
std::vector<double> losses_of_training(int steps, Device device, DType dtype,
                                       const Options& options) {
  random_context() = {.seed = 7};
  nn::Gpt model(
      {.vocab = 33, .layers = 1, .heads = 2, .channels = 16, .context = 8, .dropout = 0.1});
  model.to(device, dtype);
  Optimizer optimizer(model.parameters(), options);
  std::vector<double> losses;
  for (int step = 0; step < steps; ++step) {
    random_context().step = static_cast<uint64_t>(step);
    const Tensor ids = ids_on(device, {3, 8}, 33);
    const Loss loss = model.loss(ids, ids);
    losses.push_back(loss.mean());
    loss.sum.backward();
    optimizer.step(loss.count);
  }
  return losses;
}

class GpuTraining : public testing::GpuTest {};

TEST_F(GpuTraining, MatchesTheCpuWithAdamW) {
  const optim::AdamWOptions options = {
      .learning_rate = 0.01, .weight_decay = 0.1, .max_gradient_norm = 1.0};
  const auto train = [&](int steps, Device device, DType dtype) {
    return losses_of_training<optim::AdamW>(steps, device, dtype, options);
  };
  const auto on_cpu = train(20, Device::cpu(), DType::float32);
  EXPECT_LT(on_cpu.back(), 0.7 * on_cpu.front());
  expect_near(train(20, Device::cuda(), DType::float32), on_cpu, 1e-4);
  expect_near(train(5, Device::cuda(), DType::bfloat16), train(5, Device::cpu(), DType::bfloat16),
              0.02);
}

TEST_F(GpuTraining, MatchesTheCpuWithSgd) {
  const optim::SgdOptions options = {.learning_rate = 0.1, .momentum = 0.9};
  const auto train = [&](Device device) {
    return losses_of_training<optim::Sgd>(5, device, DType::float32, options);
  };
  expect_near(train(Device::cuda()), train(Device::cpu()), 1e-4);
}

}  // namespace
}  // namespace ripieno
