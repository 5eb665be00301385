// What someone who comes from PyTorch types: it must compile, and mean the same. The calls of
// docs/from_pytorch.md are in pytorch_names.cpp.
#include <ripieno/ripieno.h>

#include <filesystem>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

#include "documents/expect.h"

namespace {

using namespace ripieno;

Tensor x_() { return Tensor::of({2, 3}, {1.f, -2.f, 3.f, -4.f, 5.f, -6.f}); }

bool equal(const Tensor& a, const std::vector<double>& wanted) {
  return a.to_vector<double>() == wanted;
}

void print() {
  const Tensor x = x_();
  std::ostringstream text;
  text << x;
  expect(text.str() == "[[ 1, -2,  3],\n [-4,  5, -6]] (2, 3) float32 on cpu", text.str());
  expect(to_string(x.shape()) == "(2, 3)", "to_string(shape)");
}

void change_in_place() {
  Tensor x = x_();
  const Tensor same = x, y = x_();
  x += y;
  expect(equal(same, {2, -4, 6, -8, 10, -12}), "x += y changes all handles");
  x[0] *= 0.5;
  x -= 1;
  x /= 2;
  expect(equal(x, {0, -1.5, 1, -4.5, 4.5, -6.5}), "x[0] *= 0.5");
}

void index_and_shape() {
  const Tensor x = x_(), y = x_();
  expect(equal(x[0], {1, -2, 3}) && equal(x[-1][2], {-6}), "x[0]");
  expect(x.slice(0, 0, 1).shape() == Shape{1, 3}, "slice");
  expect(concat({x, y}, 0).shape() == Shape{4, 3}, "concat");
  expect(stack({x, y}).shape() == Shape{2, 2, 3}, "stack");
  expect(equal(pad(x, {1, 1})[0], {0, 1, -2, 3, 0}), "pad");
  expect(x.unsqueeze(0).shape() == Shape{1, 2, 3}, "unsqueeze");
  expect(x.permute({1, 0}).shape() == Shape{3, 2}, "permute");
  expect(x.unsqueeze(0).squeeze().shape() == Shape{2, 3}, "squeeze");
  const Tensor index = Tensor::of<int64_t>({2, 1}, {2, 0});
  expect(equal(gather(x, 1, index), {3, -4}), "gather");
}

void compute() {
  const Tensor x = x_(), y = -x;
  expect(sigmoid(x).shape() == x.shape() && silu(x).shape() == x.shape(), "sigmoid, silu");
  expect(equal(abs(x), {1, 2, 3, 4, 5, 6}), "abs");
  expect(equal(clamp(x, 0, 1), {1, 0, 1, 0, 1, 0}), "clamp");
  expect(equal(maximum(x, y), {1, 2, 3, 4, 5, 6}), "maximum");
  expect(equal(argmax(x, 1), {2, 1}), "argmax");
  expect(equal(x > y, {1, 0, 1, 0, 1, 0}) && (x > y).dtype() == DType::boolean, "x > y");
  expect(equal(x == y, std::vector<double>(6, 0)) && equal(x != y, std::vector<double>(6, 1)),
         "x == y");
  expect(equal(where(x, x, y), {1, -2, 3, -4, 5, -6}), "where");
  expect(equal(where(x > 0, x, 0), {1, 0, 3, 0, 5, 0}), "where with a number");
  expect(equal(x.sum(), {-3}) && equal(x.sum(0), {-3, 3, -3}), "sum");
  expect(equal(x.mean(0), {-1.5, 1.5, -1.5}) && x.mean(1).shape() == Shape{2}, "mean");
  expect(equal(pow(x, 2.0), {1, 4, 9, 16, 25, 36}), "pow");
  expect(equal(var(x, 0), {12.5, 24.5, 40.5}), "var");
  expect(equal(1 - x, {0, 3, -2, 5, -4, 7}) && equal(x * 2, {2, -4, 6, -8, 10, -12}), "1 - x");
  const Tensor n = Tensor::arange(3);
  expect(equal(n + n, {0, 2, 4}) && (n * 2 - 1).dtype() == DType::int64, "integers");
}

void layers_and_losses() {
  const Tensor x = x_(), image = x.reshape({1, 1, 2, 3});
  expect(equal(conv2d(image, Tensor::ones({1, 1, 1, 2})), {-1, 1, 1, -1}), "conv2d");
  expect(rms_norm(x, Tensor::ones({3})).shape() == x.shape(), "rms_norm");
  expect(mse_loss(x, -x).mean() == 4 * 91.0 / 6, "mse_loss");
}

void create() {
  expect(equal(Tensor::ones({2}), {1, 1}), "ones");
  expect(equal(Tensor::arange(3), {0, 1, 2}), "arange");
  expect(equal(Tensor::arange(1, 6, 2), {1, 3, 5}), "arange with a step");
  expect(Tensor::randn({2}).shape() == Shape{2}, "randn");
  expect(equal(Tensor::of({2}, std::vector<float>{1, 2}), {1, 2}), "of a vector");
  expect(equal(Tensor::of<float>({2}, {1, 2}), {1, 2}), "of<float>");
  expect(equal(Tensor::of({2}, {1.f, 2.f}), {1, 2}), "of a list");
  const Tensor x = x_();
  expect(x.to(DType::bfloat16).dtype() == DType::bfloat16, "to(dtype)");
  expect(x.to(Device::cpu(), DType::bfloat16).dtype() == DType::bfloat16, "to(device, dtype)");
}

void layers() {
  nn::Linear l(3, 4);
  const std::string path = std::filesystem::temp_directory_path() / "pytorch_spelling.safetensors";
  save_weights(l, path);
  load_weights(l, path);
  std::filesystem::remove(path);
  const auto n = l.parameters().elements();
  expect(n == 16, "elements");
  nn::Sequential s{nn::Linear(3, 4), nn::Linear(4, 2)};
  expect(s(x_()).shape() == Shape{2, 2}, "Sequential");
  std::string names;
  for (auto& [name, p] : l.parameters()) names += name + to_string(p.shape());
  expect(names == "weight(4, 3)bias(4)", names);
  for (auto& p : l.parameters().tensors()) expect(p.defined(), "tensors");
  std::vector<nn::Linear> v;
  v.emplace_back(3, 4);
  expect(v[0](x_()).shape() == Shape{2, 4}, "a vector of layers");
}

}  // namespace

int main() {
  print();
  change_in_place();
  index_and_shape();
  compute();
  layers_and_losses();
  create();
  layers();
}
