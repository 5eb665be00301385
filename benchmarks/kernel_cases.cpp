#include "kernel_cases.h"

#include <algorithm>
#include <cmath>
#include <random>
#include <tuple>

#include "ripieno/core/autograd.h"
#include "ripieno/core/device/copy.h"
#include "ripieno/core/losses/linear_cross_entropy.h"
#include "ripieno/core/ops/reduce.h"
#include "ripieno/core/place.h"
#include "ripieno/core/random.h"
#include "ripieno/kernels/activation.h"
#include "ripieno/kernels/attention.h"
#include "ripieno/kernels/cross_entropy.h"
#include "ripieno/kernels/dropout.h"
#include "ripieno/kernels/elementwise.h"
#include "ripieno/kernels/embedding.h"
#include "ripieno/kernels/layer_norm.h"
#include "ripieno/kernels/matmul.h"
#include "ripieno/kernels/optimizer.h"
#include "ripieno/kernels/philox.h"
#include "ripieno/kernels/reduce.h"

namespace ripieno::benchmarks {
namespace {

using kernels::accumulator_t;

double bytes_of(std::initializer_list<Tensor> tensors) {
  double bytes = 0;
  for (const Tensor& tensor : tensors) bytes += static_cast<double>(tensor.bytes());
  return bytes;
}

// A struct that kernels read from device memory, written by the host once.
template <typename Struct>
Tensor on_device(const Struct& value, Device device) {
  const Tensor memory({static_cast<int64_t>(sizeof(Struct))}, DType::uint8, device);
  copy_bytes(memory.raw_data(), device, &value, Device::cpu(), sizeof(Struct));
  return memory;
}

class Cases {
 public:
  Cases(const GptSizes& sizes, Device device, DType dtype)
      : sizes_(sizes), device_(device), dtype_(dtype) {}

  std::vector<KernelCase> all() {
    add_copy();
    add_norms();
    add_elementwise();
    add_reductions();
    add_optimizer();
    add_embedding();
    add_cross_entropy();
    add_products();
    add_attention();
    add_head();
    return std::move(cases_);
  }

 private:
  Tensor random(const Shape& shape, DType dtype) const {
    Tensor x(shape, dtype, device_);
    fill_normal(x, 0.0, 1.0, {.seed = static_cast<uint64_t>(shape.elements())});
    return x;
  }
  Tensor random(const Shape& shape) const { return random(shape, dtype_); }
  Tensor empty(const Shape& shape) const { return Tensor(shape, dtype_, device_); }
  Tensor sums(const Shape& shape) const { return Tensor(shape, DType::float32, device_); }

  Tensor random_ids(int64_t count) const {
    std::mt19937 generator(1);
    std::uniform_int_distribution<int32_t> draw(0, static_cast<int32_t>(sizes_.vocab - 1));
    std::vector<int32_t> ids(static_cast<std::size_t>(count));
    for (int32_t& id : ids) id = draw(generator);
    return Tensor::of({count}, ids).to(device_);
  }

  // Adds a case that calls action<T>(on), where T is the element type of `of`.
  template <typename Action>
  void add(const std::string& name, double bytes, double flops, const Tensor& of, Action action) {
    cases_.push_back({name, bytes, flops, [of, action] { run(of, action); }});
  }
  template <typename Action>
  void add_bound_by_memory(const std::string& name, double bytes, const Tensor& of, Action action) {
    add(name, bytes, 0, of, action);
  }

  void add_copy() {
    const Tensor from = random({sizes_.rows(), 4 * sizes_.channels}), to = empty(from.shape());
    cases_.push_back({"copy", bytes_of({from, to}), 0, [=, device = device_] {
                        copy_bytes(to.raw_data(), device, from.raw_data(), device, from.bytes());
                      }});
  }

  void add_norms() {
    const int64_t rows = sizes_.rows(), cols = sizes_.channels;
    const Tensor x = random({rows, cols}), y = random({rows, cols}), sum = random({rows, cols});
    const Tensor out = random({rows, cols}), weight = random({cols}), bias = random({cols});
    const Tensor mean = sums({rows}), deviation = sums({rows});
    const Tensor grad_weight = empty({cols}), grad_bias = empty({cols});
    const int64_t chunks = (rows + kernels::kLayerNormRowChunk - 1) / kernels::kLayerNormRowChunk;
    const Tensor workspace = sums({2 * chunks * cols});
    add_bound_by_memory("layer_norm_forward", bytes_of({x, out}), x, [=]<typename T>(auto on) {
      using A = accumulator_t<T>;
      kernels::layer_norm_forward(
          on, kernels::LayerNormForwardArguments<T>{.out = out.data<T>(),
                                                    .mean = mean.data<A>(),
                                                    .inverse_deviation = deviation.data<A>(),
                                                    .in = x.data<T>(),
                                                    .weight = weight.data<T>(),
                                                    .bias = bias.data<T>(),
                                                    .rows = rows,
                                                    .cols = cols,
                                                    .epsilon = 1e-5});
    });
    add_bound_by_memory(
        "residual_norm_forward", bytes_of({x, y, sum, out}), x, [=]<typename T>(auto on) {
          using A = accumulator_t<T>;
          kernels::residual_norm_forward(
              on, kernels::ResidualNormForwardArguments<T>{.out = out.data<T>(),
                                                           .sum = sum.data<T>(),
                                                           .mean = mean.data<A>(),
                                                           .inverse_deviation = deviation.data<A>(),
                                                           .x = x.data<T>(),
                                                           .branch = y.data<T>(),
                                                           .weight = weight.data<T>(),
                                                           .bias = bias.data<T>(),
                                                           .rows = rows,
                                                           .cols = cols,
                                                           .epsilon = 1e-5});
        });
    // Also reads the gradient of the sum, to which the other branch has already contributed.
    add_bound_by_memory(
        "residual_norm_backward", bytes_of({y, sum, x, x}), x, [=]<typename T>(auto on) {
          using A = accumulator_t<T>;
          kernels::residual_norm_backward(
              on, kernels::ResidualNormBackwardArguments<T>{
                      .norm = {.grad_in = x.data<T>(),
                               .grad_weight = grad_weight.data<T>(),
                               .grad_bias = grad_bias.data<T>(),
                               .workspace = workspace.raw_data(),
                               .grad_out = y.data<T>(),
                               .in = sum.data<T>(),
                               .weight = weight.data<T>(),
                               .mean = mean.data<A>(),
                               .inverse_deviation = deviation.data<A>(),
                               .rows = rows,
                               .cols = cols,
                               .accumulate = {.in = true, .weight = true, .bias = true}}});
        });
  }

  void add_elementwise() {
    const Tensor x = random({sizes_.rows(), 4 * sizes_.channels}), out = empty(x.shape());
    const Tensor key = on_device(kernels::RandomKey{.seed = 1, .stream = 2, .step = 3}, device_);
    const auto gelu = kernels::Activation::kGeluTanh;
    add_bound_by_memory("gelu_forward", bytes_of({x, out}), x, [=]<typename T>(auto on) {
      kernels::activation_forward(on, out.data<T>(), x.data<T>(), x.elements(), gelu);
    });
    add_bound_by_memory("gelu_backward", bytes_of({x, out, out}), x, [=]<typename T>(auto on) {
      kernels::activation_backward(on, out.data<T>(), out.data<T>(), x.data<T>(), x.elements(),
                                   gelu);
    });
    add_bound_by_memory("dropout", bytes_of({x, out}), x, [=]<typename T>(auto on) {
      kernels::dropout(on, out.data<T>(), x.data<T>(), x.elements(),
                       {0.1, static_cast<const kernels::RandomKey*>(key.raw_data()), 0});
    });
    const Tensor wide = random(x.shape(), DType::float32);
    add_bound_by_memory("cast_from_float", bytes_of({wide, out}), x, [=]<typename T>(auto on) {
      kernels::cast(on, out.data<T>(), wide.data<float>(), wide.elements());
    });
  }

  void add_reductions() {
    const Tensor x = random({sizes_.rows(), 4 * sizes_.channels}), out = empty({x.size(1)});
    const Tensor workspace = reduce_workspace(x, 1, x.size(0), x.size(1));
    add_bound_by_memory("sum_of_rows", bytes_of({x}), x, [=]<typename T>(auto on) {
      kernels::reduce(on, out.data<T>(), x.data<T>(), workspace.raw_data(),
                      {1, x.size(0), x.size(1)}, kernels::Reduction::kSum, 1.0, false);
    });
    const Tensor y = random({sizes_.batch, sizes_.time * sizes_.channels});
    const Tensor of_batch = empty({y.size(1)});
    const Tensor of_few = reduce_workspace(y, 1, y.size(0), y.size(1));
    add_bound_by_memory("sum_of_batch", bytes_of({y, of_batch}), y, [=]<typename T>(auto on) {
      kernels::reduce(on, of_batch.data<T>(), y.data<T>(), of_few.raw_data(),
                      {1, y.size(0), y.size(1)}, kernels::Reduction::kSum, 1.0, false);
    });
    const int64_t chunks = (x.elements() + kernels::kSumChunk - 1) / kernels::kSumChunk;
    const Tensor partials({chunks}, DType::float64, device_);
    const Tensor sum({1}, DType::float64, device_);
    add_bound_by_memory("sum_of_squares", bytes_of({x}), x, [=]<typename T>(auto on) {
      kernels::sum_of_squares(on, sum.data<double>(), partials.data<double>(), x.data<T>(),
                              x.elements());
    });
  }

  void add_optimizer() {
    const Shape all = {sizes_.parameters};
    const Tensor parameter = random(all), gradient = random(all);
    const Tensor first = random(all, DType::float32);
    Tensor second(all, DType::float32, device_), master;
    second.fill(1.0);
    if (dtype_ != DType::float32) master = random(all, DType::float32);
    double bytes = bytes_of({parameter, parameter, gradient, first, first, second, second});
    if (master.defined()) bytes += 2 * bytes_of({master});
    const Tensor segment =
        on_device(kernels::ParameterSegment{0, sizes_.parameters, 0.1f}, device_);
    const Tensor scalars = on_device(kernels::StepScalars{.learning_rate = 1e-6f}, device_);
    add_bound_by_memory("adamw", bytes, parameter, [=]<typename T>(auto on) {
      if constexpr (std::is_same_v<accumulator_t<T>, float>) {
        kernels::adamw<T>(
            on,
            {.parameter = parameter.data<T>(),
             .master = master.defined() ? master.data<float>() : nullptr,
             .gradient = gradient.data<T>(),
             .size = gradient.elements(),
             .segments = static_cast<const kernels::ParameterSegment*>(segment.raw_data()),
             .segment_count = 1,
             .scalars = static_cast<const kernels::StepScalars*>(scalars.raw_data())},
            first.data<float>(), second.data<float>(), {});
      }
    });
  }

  void add_embedding() {
    const int64_t rows = sizes_.rows(), channels = sizes_.channels;
    const kernels::EmbeddingShape shape{rows, sizes_.vocab, channels};
    const Tensor table = random({sizes_.vocab, channels}), out = random({rows, channels});
    const Tensor positions = random({sizes_.time, channels}), ids = random_ids(rows);
    add_bound_by_memory("embedding_forward", bytes_of({out, out}), table,
                        [=, time = sizes_.time]<typename T>(auto on) {
                          kernels::embedding_forward(on, out.data<T>(), table.data<T>(),
                                                     ids.data<int32_t>(), positions.data<T>(), time,
                                                     shape);
                        });
    int64_t workspace_bytes = 0;
    run(table, [&]<typename T>(auto on) {
      workspace_bytes = static_cast<int64_t>(kernels::embedding_workspace_bytes<T>(on, shape));
    });
    const Tensor workspace({workspace_bytes}, DType::uint8, device_);
    // The expected fraction of rows of the table that random ids reach.
    const auto vocab = static_cast<double>(sizes_.vocab);
    const double reached = 1 - std::exp(-static_cast<double>(rows) / vocab);
    add_bound_by_memory("embedding_backward", bytes_of({out}) + 2 * reached * bytes_of({table}),
                        table, [=]<typename T>(auto on) {
                          kernels::embedding_backward(on, table.data<T>(), workspace.raw_data(),
                                                      out.data<T>(), ids.data<int32_t>(), shape,
                                                      true);
                        });
  }

  void add_cross_entropy() {
    const int64_t rows = sizes_.chunk_rows, classes = sizes_.vocab;
    const kernels::LogitsShape shape{rows, classes, classes};
    const Tensor logits = random({rows, classes}), targets = random_ids(rows);
    const Tensor losses = sums({rows});
    add_bound_by_memory(
        "cross_entropy_forward", bytes_of({logits}), logits, [=]<typename T>(auto on) {
          using A = accumulator_t<T>;
          kernels::cross_entropy_forward(on, losses.data<A>(), static_cast<A*>(nullptr),
                                         logits.data<T>(), targets.data<int32_t>(), shape,
                                         kIgnoredTarget);
        });
    // Repeatedly overwrites its own output: gradients serve as logits just as well.
    add_bound_by_memory(
        "cross_entropy_in_place", bytes_of({logits, logits}), logits, [=]<typename T>(auto on) {
          kernels::cross_entropy_in_place(on, losses.data<accumulator_t<T>>(), logits.data<T>(),
                                          targets.data<int32_t>(), shape, kIgnoredTarget, 1.0);
        });
  }

  // y (rows, outputs) = x weight^T, the forward of a linear layer.
  void add_product(const std::string& name, int64_t rows, int64_t inputs, int64_t outputs) {
    const Tensor x = random({rows, inputs}), weight = random({outputs, inputs});
    const Tensor y = empty({rows, outputs});
    const double flops = 2.0 * static_cast<double>(rows * inputs) * static_cast<double>(outputs);
    const kernels::MatmulShape shape{.m = rows,
                                     .n = outputs,
                                     .k = inputs,
                                     .transpose_b = true,
                                     .lda = inputs,
                                     .ldb = inputs,
                                     .ldc = outputs};
    add(name, 0, flops, x, [=]<typename T>(auto on) {
      kernels::matmul(on, y.data<T>(), x.data<T>(), weight.data<T>(), shape, false);
    });
  }

  void add_products() {
    const int64_t rows = sizes_.rows(), channels = sizes_.channels;
    add_product("matmul_qkv", rows, channels, 3 * channels);
    add_product("matmul_up", rows, channels, 4 * channels);
    add_product("matmul_down", rows, 4 * channels, channels);
    add_product("matmul_logits", sizes_.chunk_rows, channels, sizes_.vocab);
  }

  void add_attention() {
    const auto [batch, time, channels, heads] =
        std::tuple(sizes_.batch, sizes_.time, sizes_.channels, sizes_.heads);
    const Tensor qkv = random({batch, time, 3 * channels}), back = empty(qkv.shape());
    const Tensor out = random({batch, time, channels}), grad_out = random(out.shape());
    const Tensor log_sum_exp = sums({2, batch, heads, time});
    const auto size = channels / heads;
    const kernels::AttentionShape shape{.batch = batch,
                                        .time = time,
                                        .heads = heads,
                                        .head_size = size,
                                        .qkv_batch_stride = 3 * channels * time,
                                        .qkv_time_stride = 3 * channels,
                                        .scale = 1 / std::sqrt(static_cast<double>(size))};
    int64_t workspace_bytes = 0;
    run(qkv, [&]<typename T>(auto on) {
      workspace_bytes = std::max(kernels::attention_forward_workspace_bytes<T>(on, shape),
                                 kernels::attention_backward_workspace_bytes<T>(on, shape));
    });
    const Tensor workspace({workspace_bytes}, DType::uint8, device_);
    // Two matrix products, of which the causal mask needs half.
    const double flops = 2.0 * static_cast<double>(batch * time * time * channels);
    add("attention_forward", 0, flops, qkv, [=]<typename T>(auto on) {
      const T* q = qkv.data<T>();
      kernels::attention_forward(on, out.data<T>(), log_sum_exp.data<accumulator_t<T>>(),
                                 workspace.raw_data(), q, q + channels, q + 2 * channels, shape);
    });
    add("attention_backward", 0, 2.5 * flops, qkv, [=]<typename T>(auto on) {
      using A = accumulator_t<T>;
      const T* q = qkv.data<T>();
      T* to = back.data<T>();
      kernels::attention_backward(
          on,
          kernels::AttentionBackwardArguments<T>{.grad_q = to,
                                                 .grad_k = to + channels,
                                                 .grad_v = to + 2 * channels,
                                                 .workspace = workspace.raw_data(),
                                                 .grad_out = grad_out.data<T>(),
                                                 .q = q,
                                                 .k = q + channels,
                                                 .v = q + 2 * channels,
                                                 .out = out.data<T>(),
                                                 .log_sum_exp = log_sum_exp.data<A>()},
          shape);
    });
  }

  // The head of the model with loss and gradients, for several chunk sizes.
  void add_head() {
    const int64_t channels = sizes_.channels;
    Tensor x = random({sizes_.rows(), channels}), weight = random({sizes_.vocab, channels});
    x.set_requires_gradient();
    weight.set_requires_gradient();
    const Tensor targets = random_ids(sizes_.rows());
    const double flops =
        6.0 * static_cast<double>(x.elements()) * static_cast<double>(sizes_.vocab);
    for (const int64_t mebibytes : {0, 128, 256, 512, 1024}) {
      const int64_t chunk_bytes = mebibytes << 20;  // 0: chosen by the operation
      if (chunk_bytes > sizes_.rows() * sizes_.vocab * 4) continue;
      const std::string name = mebibytes ? "head_by_" + std::to_string(mebibytes) + "_mib" : "head";
      cases_.push_back(
          {name, 0, flops, [=] {
             linear_cross_entropy(x, weight, targets, {.chunk_bytes = chunk_bytes}).sum.backward();
           }});
    }
  }

  GptSizes sizes_;
  Device device_;
  DType dtype_;
  std::vector<KernelCase> cases_;
};

}  // namespace

GptSizes sizes_of_gpt2() { return {}; }

GptSizes small_sizes() {
  return {.batch = 2,
          .time = 32,
          .channels = 64,
          .heads = 2,
          .vocab = 512,
          .parameters = 1 << 14,
          .chunk_rows = 64};
}

std::vector<KernelCase> kernel_cases(const GptSizes& sizes, Device device, DType dtype) {
  return Cases(sizes, device, dtype).all();
}

}  // namespace ripieno::benchmarks
