// products: the time of a GPT's matrix products: with measured algorithms and fused epilogues where
// they are faster ("chosen"), with the library's heuristics ("guessed"), and without fused
// epilogues ("plain"). "small workspace" is "chosen" with a workspace of 32 MiB, which differs from
// the default on GPUs of 80 GB or more.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <functional>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "kernel_cases.h"
#include "program.h"
#include "ripieno/core/device/stream.h"
#include "ripieno/core/ops/reduce.h"
#include "ripieno/core/place.h"
#include "ripieno/core/random.h"
#include "ripieno/core/tensor.h"
#include "ripieno/kernels/linear.h"
#include "ripieno/kernels/matmul.h"
#include "ripieno/kernels/numerics.h"

namespace {

using namespace ripieno;
using kernels::Activation;
using kernels::LinearShape;

struct Arguments {
  std::string device = "cpu", dtype = "bf16";
  int repeats = 7, times = 20;
  bool small = false;
};

struct Product {
  std::string name;
  double flops = 0;
  std::function<void()> enqueue;
  std::map<std::string, std::vector<double>> milliseconds = {};  // by way, one per round
};

// The matrix products of the linear layers of one transformer block.
class Block {
 public:
  Block(const benchmarks::GptSizes& sizes, Device device, DType dtype)
      : device_(device), dtype_(dtype) {
    const int64_t rows = sizes.rows(), channels = sizes.channels;
    add("qkv", {rows, channels, 3 * channels}, Activation::kNone, Activation::kNone);
    add("projection", {rows, channels, channels}, Activation::kNone, Activation::kNone);
    add("up", {rows, channels, 4 * channels}, Activation::kGeluTanh, Activation::kNone);
    add("down", {rows, 4 * channels, channels}, Activation::kNone, Activation::kGeluTanh);
  }

  std::vector<Product> products;

 private:
  // `after`: the activation of this layer; `below`: the activation that produced its input.
  void add(const std::string& name, const LinearShape& s, Activation after, Activation below) {
    const Tensor x = random({s.rows, s.inputs}), weight = random({s.outputs, s.inputs});
    const Tensor bias = random({s.outputs}), y = random({s.rows, s.outputs});
    const Tensor kept = after == Activation::kNone ? Tensor() : random(y.shape());
    add_product(name + " forward", s, [=]<typename T>(auto on) {
      kernels::matmul_bias_activation(on, y.data<T>(), kept.defined() ? kept.data<T>() : nullptr,
                                      x.data<T>(), weight.data<T>(), bias.data<T>(),
                                      {.m = s.rows,
                                       .n = s.outputs,
                                       .k = s.inputs,
                                       .transpose_b = true,
                                       .lda = s.inputs,
                                       .ldb = s.inputs,
                                       .ldc = s.outputs},
                                      after);
    });
    const Tensor grad_x = random(x.shape()), before = random(x.shape());
    add_product(name + " input gradient", s, [=]<typename T>(auto on) {
      if (below != Activation::kNone) {
        kernels::linear_input_gradient(on, grad_x.data<T>(), y.data<T>(), weight.data<T>(),
                                       before.data<T>(), s, below);
        return;
      }
      kernels::matmul(on, grad_x.data<T>(), y.data<T>(), weight.data<T>(),
                      {.m = s.rows,
                       .n = s.inputs,
                       .k = s.outputs,
                       .lda = s.outputs,
                       .ldb = s.inputs,
                       .ldc = s.inputs},
                      false);
    });
    const Tensor grad_weight = random(weight.shape()), grad_bias = random(bias.shape());
    const Tensor workspace = reduce_workspace(y, 1, s.rows, s.outputs);
    add_product(name + " parameter gradients", s, [=]<typename T>(auto on) {
      kernels::linear_parameter_gradients<T>(
          on, {.weight = grad_weight.data<T>(), .bias = grad_bias.data<T>()}, workspace.raw_data(),
          y.data<T>(), x.data<T>(), s);
    });
  }

  template <typename Work>
  void add_product(const std::string& name, const LinearShape& s, Work work) {
    const double flops =
        2.0 * static_cast<double>(s.rows * s.inputs) * static_cast<double>(s.outputs);
    const Tensor one({1}, dtype_, device_);
    products.push_back({name, flops, [=] { run(one, work); }});
  }

  Tensor random(const Shape& shape) {
    const Tensor x(shape, dtype_, device_);
    fill_normal(x, 0.0, 1.0, {.seed = ++seed_});
    return x;
  }

  Device device_;
  DType dtype_;
  uint64_t seed_ = 0;
};

void set_way(const std::string& way) {
  const auto algorithms =
      way == "guessed" ? kernels::ProductAlgorithms::guessed : kernels::ProductAlgorithms::measured;
  kernels::set_numerics({.algorithms = algorithms,
                         .fused_epilogues = way != "plain",
                         .large_workspace = way != "small workspace"});
}

double milliseconds_of(const Product& product, Device device, int times) {
  product.enqueue();  // warmup: chooses the algorithm
  Event begin(device, /*timed=*/true), end(device, /*timed=*/true);
  begin.record(current_stream(device));
  for (int i = 0; i < times; ++i) product.enqueue();
  end.record(current_stream(device));
  end.synchronize();
  return end.milliseconds_since(begin) / times;
}

void print(const Arguments& a, const std::string& workload, const std::string& way, double flops,
           std::vector<double> milliseconds) {
  std::sort(milliseconds.begin(), milliseconds.end());
  const double median = milliseconds[milliseconds.size() / 2];
  const nlohmann::ordered_json line{
      {"benchmark", "products"},
      {"workload", workload},
      {"way", way},
      {"device", a.device},
      {"dtype", a.dtype},
      {"sizes", a.small ? "small" : "gpt2-124m"},
      {"repeats", a.repeats},
      {"value", flops / median / 1e9},
      {"unit", "TFLOP/s"},
      {"ms", {{"min", milliseconds.front()}, {"median", median}, {"max", milliseconds.back()}}}};
  std::cout << line << std::endl;
}

void measure(const Arguments& a) {
  const Device device = a.device == "cuda" ? Device::cuda() : Device::cpu();
  const auto sizes = a.small ? benchmarks::small_sizes() : benchmarks::sizes_of_gpt2();
  Block block(sizes, device, a.dtype == "bf16" ? DType::bfloat16 : DType::float32);
  const std::vector<std::string> ways = {"chosen", "guessed", "plain", "small workspace"};
  std::map<std::string, std::vector<double>> sums;
  for (int round = 0; round < a.repeats; ++round) {
    for (const std::string& way : ways) {
      set_way(way);
      double sum = 0;
      for (Product& product : block.products) {
        product.milliseconds[way].push_back(milliseconds_of(product, device, a.times));
        sum += product.milliseconds[way].back();
      }
      sums[way].push_back(sum);
    }
  }
  double flops = 0;
  for (const Product& product : block.products) {
    flops += product.flops;
    for (const auto& way : ways) {
      print(a, product.name, way, product.flops, product.milliseconds.at(way));
    }
  }
  for (const auto& way : ways) print(a, "block", way, flops, sums.at(way));
}

}  // namespace

int main(int argc, char** argv) {
  Arguments a;
  CLI::App app(
      "Measures the matrix products of a GPT block. Prints one line of JSON per product and way.");
  app.add_option("--device", a.device)
      ->check(CLI::IsMember({"cpu", "cuda"}))
      ->capture_default_str();
  app.add_option("--dtype", a.dtype)->check(CLI::IsMember({"f32", "bf16"}))->capture_default_str();
  app.add_option("--repeats", a.repeats)->check(CLI::PositiveNumber)->capture_default_str();
  app.add_option("--times", a.times, "number of calls per measurement")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_flag("--small", a.small, "small sizes, for a CPU");
  return benchmarks::run_benchmark(app, argc, argv, [&] { measure(a); });
}
