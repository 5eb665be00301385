// The entries of the tables in docs/from_pytorch.md, in the order of the page.
#include <ripieno/core/ops/linear_algebra.h>
#include <ripieno/io/checkpoint/background_save.h>
#include <ripieno/ripieno.h>

#include <cmath>
#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>
#include <utility>
#include <vector>

#include "documents/expect.h"
#include "documents/labeled_points.h"

using namespace ripieno;

std::vector<float> numbers(const Tensor& t) { return t.to_vector<float>(); }

void tensors() {
  expect(Tensor({2, 3}).shape() == Shape{2, 3}, "Tensor({2, 3})");
  expect(numbers(Tensor::zeros({2})) == std::vector<float>{0, 0}, "zeros");
  expect(numbers(Tensor::full({2}, 1.5)) == std::vector<float>{1.5, 1.5}, "full");
  Tensor t = Tensor::of<float>({2, 3}, {1, 2, 3, 4, 5, 6});
  expect(t.dtype() == DType::float32 && t.device() == Device::cpu(), "dtype and device");
  expect(t.elements() == 6 && t.rank() == 2, "elements and rank");
  expect(t.to(DType::bfloat16).dtype() == DType::bfloat16, "to(DType)");
  expect(t.reshape({3, -1}).shape() == Shape{3, 2}, "reshape");
  expect(numbers(t.transpose(0, 1)) == std::vector<float>{1, 4, 2, 5, 3, 6}, "transpose");
  expect(Tensor({1, 3}).expand({4, 3}).shape() == Shape{4, 3}, "expand");
  expect(numbers(t.slice(1, 1, 3)) == std::vector<float>{2, 3, 5, 6}, "slice");
  expect(numbers(t.transpose(0, 1).dense()) == numbers(t.transpose(0, 1).clone()), "dense");
  Tensor u = Tensor::zeros({2, 3});
  u.copy_from(t);
  add_into(u, t);
  expect(numbers(u) == numbers(t * 2), "copy_from and add_into");
  u.fill(0);
  expect(sum(u).item() == 0, "fill, sum and item");
  std::ostringstream printed;
  printed << t;
  expect(printed.str() == "[[1, 2, 3],\n [4, 5, 6]] (2, 3) float32 on cpu", "<<");
  expect(numbers(mean(t, 1, true)) == std::vector<float>{2, 5}, "mean");
  expect(numbers(max(t, 1)) == std::vector<float>{3, 6}, "max");
  expect(numbers(matmul(t, t.transpose(0, 1)))[0] == 14, "matmul");
  for (const auto& result :
       {exp(t), log(t), sqrt(t), tanh(t), sin(t), cos(t), square(t), reciprocal(t), relu(t),
        gelu(t), gelu_tanh(t), softmax(t), log_softmax(t)})
    expect(result.shape() == t.shape(), "elementwise operations");
  const Tensor matrix = Tensor::of<double>({2, 2}, {2, 0, 0, 2});
  for (const auto& result : {qr(matrix).r, svd(matrix).values, symmetric_eigenvalues(matrix).values,
                             cholesky(matrix), solve(matrix, matrix)})
    expect(result.defined(), "linear algebra");
}

void random_numbers() {
  random_context().seed = 1;
  Tensor t({1001});
  fill_uniform(t, -1, 1, {.seed = 1});
  expect(max(t, 0).item() <= 1, "fill_uniform");
  fill_normal(t, 10, 1, {.seed = 1});
  expect(std::abs(mean(t).item() - 10) < 0.2, "fill_normal");
}

// x * x, with a gradient of its own.
Tensor squared(const Tensor& x) {
  Tensor output;
  {
    const NoGrad no_grad;
    output = square(x);
  }
  return autograd::record("squared", output, {&x},
                          [saved = autograd::Saved(x)](Tensor gradient, autograd::Gradients& to) {
                            to.add(0, *saved * gradient * 2.0);
                          });
}

void gradients() {
  Tensor t = Tensor::of<float>({2}, {1, 2});
  t.set_requires_gradient();
  int calls = 0;
  t.on_gradient([&] { ++calls; });
  const Tensor loss = sum(square(t));
  loss.backward();
  expect(numbers(t.gradient()) == std::vector<float>{2, 4} && calls == 1, "gradient");
  expect(!t.detach().requires_gradient(), "detach");
  const Tensor x = Tensor::of<double>({2}, {1, 2});
  expect(gradient_check([](const auto& inputs) { return squared(inputs[0]); }, {x}) < 1e-6,
         "record and gradient_check");
  expect(numbers(recomputed([](const Tensor& in) { return square(in); }, t)) ==
             std::vector<float>{1, 4},
         "recomputed");
}

struct Custom final : nn::Module {
  nn::Linear part{8, 4, {.activation = Activation::kRelu}};
  Tensor weight, mean_of_x;
  Custom() {
    add("part", part);
    weight = add_parameter("weight", {4, 4}, nn::Initial::orthogonal());
    mean_of_x = add_buffer("mean", {4});
  }
  Tensor forward(const Tensor& x) const override {
    const Tensor hidden = matmul(part(x), weight);
    update_buffer(mean_of_x, mean(hidden.detach(), 0), 0.1);
    return hidden;
  }
};

void modules() {
  Custom m;
  m.to(Device::cpu());
  int calls = 0;
  m.on_forward([&](const Tensor&, const Tensor&) { ++calls; });
  m.train();
  const Tensor x = Tensor::full({2, 8}, 1), y = m(x);
  m.evaluate();
  expect(calls == 1, "on_forward");
  const Parameters p = m.parameters();
  expect(m.freeze("part.*") == 2 && m.thaw("part.*") == 2, "freeze and thaw");
  optim::AdamW optimizer(p, {.max_gradient_norm = 1.0,
                             .groups = {{.selects = optim::named("*.bias"), .weight_decay = 0}}});
  expect(state_of(m).size() == 4 && state_of(m, optimizer).size() == 10, "state_of");
  save_weights(m, "weights.safetensors");
  expect(load_weights(m, "weights.safetensors").matches(), "save_weights and load_weights");
  optim::Sgd sgd(p, {.scales_loss = true});
  p.clear_gradients();
  nn::Linear a(8, 4), b(4, 2);
  nn::Sequential model{std::move(a), std::move(b)};
  expect(model(x).shape() == Shape{2, 2}, "Sequential");
  expect(linear(x, Tensor::full({4, 8}, 1)).shape() == Shape{2, 4}, "linear");
  expect(layer_norm(x).shape() == x.shape(), "layer_norm");
  const Tensor targets = Tensor::of<int32_t>({2}, {0, 3});
  expect(embedding(Tensor::zeros({5, 8}), targets).shape() == Shape{2, 8}, "embedding");
  expect(causal_attention(Tensor::zeros({1, 3, 24}), 2).shape() == Shape{1, 3, 8}, "attention");
  const Tensor head = Tensor::full({4, 8}, 0.5);
  expect(std::abs(cross_entropy(linear(x, head), targets).mean() - std::log(4)) < 1e-5 &&
             std::abs(linear_cross_entropy(x, head, targets).mean() - std::log(4)) < 1e-5,
         "cross_entropy and linear_cross_entropy");
  expect(mse(head, head * 2).mean() == 0.25 && Loss::over(sum(head), 4).mean() == 4,
         "mse and Loss::over");
  sgd.step(mse(m(x), Tensor::zeros(y.shape())));
}

// What the table says about PyTorch's options.
void options(Session& session) {
  const auto [x, y] = labeled_points(64, 8, 4);
  const auto data = std::make_shared<io::MemoryDataset>(x, y);
  const io::BatchLoader loader(data, {.batch_size = 8, .threads = 4, .ahead = 8}, session);
  distributed::DataParallelOptions parallel{.shard = distributed::Shard::optimizer,
                                            .bucket_bytes = 1 << 20,
                                            .wire = DType::bfloat16,
                                            .power_sgd_rank = 8};
  parallel = {.shard = distributed::Shard::gradients};
  nn::Mlp m({8, 4});
  optim::AdamW optimizer(m.parameters());
  DataParallel trainee(m, optimizer, session.communicator(), parallel);
  trainee.backward(m.loss(x, y), DataParallel::Accumulate::more);
  trainee.backward(m.loss(x, y));
  trainee.step();
  session.set_threads(4);
}

void collectives(Session& session) {
  auto& ranks = session.communicator();
  const int64_t size = session.size();
  const Tensor x = Tensor::full({size}, 1), one({1}), all({size}), swapped({size});
  ranks.all_reduce(x);
  expect(numbers(x)[0] == static_cast<float>(size), "all_reduce");
  ranks.reduce_scatter(one, x);
  expect(one.item() == static_cast<double>(size * size), "reduce_scatter");
  ranks.all_gather(all, one);
  ranks.all_to_all(swapped, all);
  expect(numbers(swapped) == numbers(all), "all_gather and all_to_all");
  ranks.broadcast(one, 0);
  ranks.barrier();
  expect(ranks.split(0, session.rank())->size() == session.size(), "split");
}

int check(int argc, char** argv) {
  Session session(argc, argv);
  session.release_signals();
  collectives(session);  // first, as an optimizer refuses ranks that nothing connects
  tensors();
  random_numbers();
  gradients();
  modules();
  options(session);
  return 0;
}

int main(int argc, char** argv) {
  return run_program([&] { return check(argc, argv); });
}
