#include "ripieno/core/ops/attention.h"

#include <fmt/format.h>

#include <cmath>

#include "ripieno/core/autograd.h"
#include "ripieno/core/operands.h"
#include "ripieno/core/place.h"
#include "ripieno/kernels/attention.h"
#include "ripieno/kernels/numerics.h"

namespace ripieno {
namespace {

using autograd::Saved;

// Training repeats its shape. Without recording, each shape may occur only once, as every length
// does in text generation: then a kernel is compiled only if ours would take milliseconds.
bool is_worth_compiling(const kernels::AttentionShape& s) {
  return autograd::recording() || s.batch * s.heads * s.time * s.time * s.head_size >= int64_t{1}
                                                                                           << 31;
}

kernels::AttentionShape shape_of(const Tensor& qkv, int64_t heads) {
  require_defined("causal_attention", {{"qkv", qkv}});
  if (qkv.rank() != 3 || heads < 1 || qkv.size(2) == 0 || qkv.size(2) % 3 != 0 ||
      qkv.size(2) / 3 % heads != 0) {
    fail(
        fmt::format("causal_attention: qkv is {}, heads is {}; qkv must be (batch, time, 3 * heads "
                    "* head_size)",
                    to_string(qkv.shape()), heads));
  }
  kernels::AttentionShape shape;
  shape.batch = qkv.size(0);
  shape.time = qkv.size(1);
  shape.heads = heads;
  shape.head_size = qkv.size(2) / (3 * heads);
  shape.qkv_time_stride = qkv.size(2);
  shape.qkv_batch_stride = qkv.size(1) * qkv.size(2);
  shape.scale = 1.0 / std::sqrt(static_cast<double>(shape.head_size));
  shape.repeatable = kernels::numerics().repeatable_attention;
  shape.worth_compiling = is_worth_compiling(shape);
  return shape;
}

// Multiplications and additions of one of its products, of queries with keys up to their own, are
// twice this. The forward has two products, the backward five; softmax is not counted.
int64_t causal_products(const kernels::AttentionShape& shape) {
  return shape.batch * shape.heads * shape.head_size * (shape.time * (shape.time + 1) / 2);
}

// Workspace for one call.
Tensor bytes_for(int64_t size, Device device) { return Tensor({size}, DType::uint8, device); }

}  // namespace

Tensor causal_attention(const Tensor& qkv_, int64_t heads) {
  const kernels::AttentionShape shape = shape_of(qkv_, heads);
  const Tensor qkv = qkv_.dense();
  const int64_t channels = shape.heads * shape.head_size;
  const DType statistics = qkv.dtype() == DType::float64 ? DType::float64 : DType::float32;
  const Shape of_rows = {2, shape.batch, shape.heads, shape.time};
  Tensor result({shape.batch, shape.time, channels}, qkv.dtype(), qkv.device());
  Tensor log_sum_exp(of_rows, statistics, qkv.device());
  run({"attention", {&result, &qkv}, 4 * causal_products(shape)}, qkv, [&]<typename T>(auto on) {
    const T* q = qkv.data<T>();
    const Tensor workspace =
        bytes_for(kernels::attention_forward_workspace_bytes<T>(on, shape), qkv.device());
    kernels::attention_forward(on, result.data<T>(), log_sum_exp.data<kernels::accumulator_t<T>>(),
                               workspace.data<uint8_t>(), q, q + channels, q + 2 * channels, shape);
  });
  return autograd::record(
      "causal_attention", result, {&qkv},
      [qkv = Saved(qkv), out = Saved(result), log_sum_exp, shape, channels](
          const Tensor& gradient, autograd::Gradients& gradients) {
        Tensor back(qkv->shape(), qkv->dtype(), qkv->device());
        const Work work{
            "attention: gradient", {&back, &gradient, &*qkv, &*out}, 10 * causal_products(shape)};
        run(work, *qkv, [&]<typename T>(auto on) {
          using A = kernels::accumulator_t<T>;
          const Tensor workspace =
              bytes_for(kernels::attention_backward_workspace_bytes<T>(on, shape), qkv->device());
          const T* q = qkv->data<T>();
          T* to = back.data<T>();
          kernels::attention_backward(
              on,
              kernels::AttentionBackwardArguments<T>{.grad_q = to,
                                                     .grad_k = to + channels,
                                                     .grad_v = to + 2 * channels,
                                                     .workspace = workspace.data<uint8_t>(),
                                                     .grad_out = gradient.data<T>(),
                                                     .q = q,
                                                     .k = q + channels,
                                                     .v = q + 2 * channels,
                                                     .out = out->data<T>(),
                                                     .log_sum_exp = log_sum_exp.data<A>()},
              shape);
        });
        gradients.add(0, back);
      });
}

}  // namespace ripieno
