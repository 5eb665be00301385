#include "ripieno/core/ops/attention.h"

#include <fmt/format.h>

#include <cmath>
#include <vector>

#include "ripieno/core/autograd.h"
#include "ripieno/core/operands.h"
#include "ripieno/core/ops/dropout.h"
#include "ripieno/core/place.h"
#include "ripieno/core/random.h"
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

// Multiplications and additions of one product of masked attention, as if each query saw all keys
// or, with a causal mask, half of them.
int64_t masked_products(const kernels::MaskedAttentionShape& s) {
  const int64_t all = s.batch * s.heads * s.head_size * s.queries * s.keys;
  return s.causal && s.queries == s.keys ? all / 2 : all;
}

void check_inputs(const Tensor& q, const Tensor& k, const Tensor& v) {
  require_defined("attention", {{"q", q}, {"k", k}, {"v", v}});
  require_one_type("attention", {{"q", q}, {"k", k}, {"v", v}});
  const bool fits = q.rank() == 4 && k.rank() == 4 && k.shape() == v.shape() &&
                    q.size(0) == k.size(0) && q.size(3) == k.size(3) && q.size(3) > 0 &&
                    k.size(2) > 0 && q.size(2) % k.size(2) == 0;
  if (fits) return;
  fail(fmt::format(
      "attention: q is {}, k is {}, v is {}; q must be (batch, queries, heads, "
      "head_size), k and v (batch, keys, key_heads, head_size), and heads a multiple of "
      "key_heads",
      to_string(q.shape()), to_string(k.shape()), to_string(v.shape())));
}

void check_range(const char* name, const Tensor& range, const Tensor& q) {
  if (!range.defined()) return;
  require_one_device("attention", {{"q", q}, {name, range}});
  if (range.dtype() == DType::int32 && range.shape() == Shape{q.size(0), q.size(1)}) return;
  fail(fmt::format("attention: {} is {}, q is {}; ranges must be (batch, queries), int32", name,
                   describe(range), to_string(q.shape())));
}

void check_options(const AttentionOptions& options, const Tensor& q, int64_t keys) {
  check_range("ranges.first", options.ranges.first, q);
  check_range("ranges.end", options.ranges.end, q);
  if (options.window < 0) {
    fail(fmt::format("attention: window is {}; it must be positive, or 0 for no window",
                     options.window));
  }
  if (options.scale && !std::isfinite(*options.scale)) {
    fail(fmt::format("attention: scale is {}; it must be finite", *options.scale));
  }
  const Tensor& mask = options.mask;
  if (!mask.defined()) return;
  require_one_device("attention", {{"q", q}, {"mask", mask}});
  if (mask.dtype() != DType::boolean && mask.dtype() != q.dtype()) {
    fail("attention: mask is " + describe(mask) + ", q is " + describe(q) +
         "; the mask must be bool or have the type of q");
  }
  const Shape scores = {q.size(0), q.size(2), q.size(1), keys};
  bool fits = mask.rank() <= 4;
  for (int axis = -1; fits && axis >= -mask.rank(); --axis) {
    fits = mask.size(axis) == 1 || mask.size(axis) == scores[4 + axis];
  }
  if (!fits) {
    fail(
        fmt::format("attention: mask is {}; it must broadcast to (batch, heads, queries, keys), "
                    "which is {}",
                    to_string(mask.shape()), to_string(scores)));
  }
  if (mask.requires_gradient() && autograd::recording()) {
    fail("attention: the mask requires a gradient, which attention does not compute; detach() it");
  }
}

// The axis of heads and that of channels of a head are dense.
bool has_dense_heads(const Tensor& x) {
  return x.strides()[3] == 1 && x.strides()[2] == x.size(3) && x.strides()[0] >= 0 &&
         x.strides()[1] >= 0;
}
Tensor with_dense_heads(const Tensor& x) { return has_dense_heads(x) ? x : x.dense(); }
kernels::AttentionLayout layout_of(const Tensor& x) { return {x.strides()[0], x.strides()[1]}; }

// The inputs of attention() as its kernels take them.
struct AttentionInputs {
  Saved q, k, v, mask, first_key, end_key;
  kernels::MaskedAttentionShape shape;
  DrawnDropout dropout;

  AttentionInputs(const Tensor& q_, const Tensor& k_, const Tensor& v_,
                  const AttentionOptions& options)
      : q(with_dense_heads(q_)), k(with_dense_heads(k_)), v(with_dense_heads(v_)) {
    shape.batch = q_.size(0);
    shape.queries = q_.size(1);
    shape.keys = k_.size(1);
    shape.heads = q_.size(2);
    shape.key_heads = k_.size(2);
    shape.head_size = q_.size(3);
    shape.q = layout_of(*q);
    shape.k = layout_of(*k);
    shape.v = layout_of(*v);
    shape.scale = options.scale.value_or(1.0 / std::sqrt(static_cast<double>(shape.head_size)));
    shape.causal = options.causal;
    shape.window = options.window;
    const auto dense = [](const Tensor& x) { return x.defined() ? x.dense() : x; };
    first_key = Saved(dense(options.ranges.first));
    end_key = Saved(dense(options.ranges.end));
    if (options.mask.defined()) {
      const Tensor expanded =
          options.mask.detach().expand({shape.batch, shape.heads, shape.queries, shape.keys});
      for (int axis = 0; axis < 4; ++axis) shape.mask_strides[axis] = expanded.strides()[axis];
      mask = Saved(expanded);
    }
    if (options.dropout != 0.0) {
      // One row of the dropout is all scores of one sample.
      const int64_t of_sample = shape.heads * shape.queries * shape.keys;
      dropout = draw_dropout(*q, options.dropout, options.dropout_stream);
      dropout.offset = random_context().first_row * of_sample;
      shape.dropout = dropout.mask();
    }
  }

  // Whether the kernels of causal self-attention, and libraries, compute it.
  bool is_plain() const {
    return shape.causal && shape.window == 0 && shape.queries == shape.keys &&
           shape.heads == shape.key_heads && !(*mask).defined() && !(*first_key).defined() &&
           !(*end_key).defined() && !dropout.key.defined() &&
           shape.q.time_stride == shape.k.time_stride &&
           shape.q.time_stride == shape.v.time_stride &&
           shape.q.batch_stride == shape.k.batch_stride &&
           shape.q.batch_stride == shape.v.batch_stride;
  }
  kernels::AttentionShape plain_shape() const {
    kernels::AttentionShape plain;
    plain.batch = shape.batch;
    plain.time = shape.queries;
    plain.heads = shape.heads;
    plain.head_size = shape.head_size;
    plain.qkv_batch_stride = shape.q.batch_stride;
    plain.qkv_time_stride = shape.q.time_stride;
    plain.scale = shape.scale;
    plain.repeatable = kernels::numerics().repeatable_attention;
    plain.worth_compiling = is_worth_compiling(plain);
    return plain;
  }
  template <typename T>
  kernels::AttentionMasks<T> masks() const {
    kernels::AttentionMasks<T> masks;
    const Tensor &m = *mask, &first = *first_key, &end = *end_key;
    if (m.defined() && m.dtype() == DType::boolean) masks.allowed = m.data<bool>();
    if (m.defined() && m.dtype() != DType::boolean) masks.added = m.data<T>();
    if (first.defined()) masks.first_key = first.data<int32_t>();
    if (end.defined()) masks.end_key = end.data<int32_t>();
    return masks;
  }
};

// Workspace for one call.
Tensor bytes_for(int64_t size, Device device) { return Tensor({size}, DType::uint8, device); }

// Gradients of q, k and v, each dense.
struct AttentionGradients {
  Tensor q, k, v;
};

AttentionGradients attention_gradients(const AttentionInputs& in, const Tensor& out,
                                       const Tensor& log_sum_exp, const Tensor& gradient) {
  const Tensor &q = *in.q, &k = *in.k, &v = *in.v;
  const auto like = [](const Tensor& x) { return Tensor(x.shape(), x.dtype(), x.device()); };
  const AttentionGradients to{like(q), like(k), like(v)};
  const bool plain = in.is_plain() && q.is_dense();  // their gradients have one layout then
  const int64_t statistics = in.shape.batch * in.shape.heads * in.shape.queries;
  const Work work{"attention: gradient",
                  {&to.q, &to.k, &to.v, &gradient, &q, &k, &v, &out},
                  10 * masked_products(in.shape)};
  run(work, q, [&]<typename T>(auto on) {
    using A = kernels::accumulator_t<T>;
    const kernels::AttentionShape shape = in.plain_shape();
    const int64_t size = plain ? kernels::attention_backward_workspace_bytes<T>(on, shape)
                               : statistics * static_cast<int64_t>(sizeof(A));
    const Tensor workspace = bytes_for(size, q.device());
    const kernels::AttentionBackwardArguments<T> args{.grad_q = to.q.data<T>(),
                                                      .grad_k = to.k.data<T>(),
                                                      .grad_v = to.v.data<T>(),
                                                      .workspace = workspace.data<uint8_t>(),
                                                      .grad_out = gradient.data<T>(),
                                                      .q = q.data<T>(),
                                                      .k = k.data<T>(),
                                                      .v = v.data<T>(),
                                                      .out = out.data<T>(),
                                                      .log_sum_exp = log_sum_exp.data<A>()};
    if (plain) return kernels::attention_backward(on, args, shape);
    const kernels::AttentionGradientLayouts layouts{layout_of(to.q), layout_of(to.k),
                                                    layout_of(to.v)};
    kernels::masked_attention_backward(on, args, layouts, in.masks<T>(), in.shape);
  });
  return to;
}

}  // namespace

Tensor attention(const Tensor& q, const Tensor& k, const Tensor& v,
                 const AttentionOptions& options) {
  check_inputs(q, k, v);
  check_options(options, q, k.size(1));
  const AttentionInputs in(q, k, v, options);
  const Tensor result(q.shape(), q.dtype(), q.device());
  const DType statistics = q.dtype() == DType::float64 ? DType::float64 : DType::float32;
  const Tensor log_sum_exp({2, in.shape.batch, in.shape.heads, in.shape.queries}, statistics,
                           q.device());
  const Work work{"attention", {&result, &*in.q, &*in.k, &*in.v}, 4 * masked_products(in.shape)};
  run(work, q, [&]<typename T>(auto on) {
    using A = kernels::accumulator_t<T>;
    const T *from_q = (*in.q).template data<T>(), *from_k = (*in.k).template data<T>(),
            *from_v = (*in.v).template data<T>();
    if (!in.is_plain()) {
      return kernels::masked_attention_forward(on, result.data<T>(), log_sum_exp.data<A>(), from_q,
                                               from_k, from_v, in.masks<T>(), in.shape);
    }
    const kernels::AttentionShape shape = in.plain_shape();
    const Tensor workspace =
        bytes_for(kernels::attention_forward_workspace_bytes<T>(on, shape), q.device());
    kernels::attention_forward(on, result.data<T>(), log_sum_exp.data<A>(),
                               workspace.data<uint8_t>(), from_q, from_k, from_v, shape);
  });
  return autograd::record("attention", result, {&q, &k, &v},
                          [in, out = Saved(result), log_sum_exp](const Tensor& gradient,
                                                                 autograd::Gradients& gradients) {
                            const auto [of_q, of_k, of_v] =
                                attention_gradients(in, *out, log_sum_exp, gradient);
                            if (gradients.wanted(0)) gradients.add(0, of_q);
                            if (gradients.wanted(1)) gradients.add(1, of_k);
                            if (gradients.wanted(2)) gradients.add(2, of_v);
                          });
}

DocumentRanges document_ranges(const std::vector<std::vector<int64_t>>& lengths, int64_t time,
                               Device device) {
  std::vector<int32_t> first, end, positions;
  for (const std::vector<int64_t>& row : lengths) {
    int64_t at = 0;
    for (const int64_t length : row) {
      if (length < 0 || length > time - at) {
        fail(
            fmt::format("document_ranges: a document of length {} begins at token {} of a row of "
                        "{}; it must fit",
                        length, at, time));
      }
      for (int64_t i = 0; i < length; ++i) {
        first.push_back(static_cast<int32_t>(at));
        end.push_back(static_cast<int32_t>(at + length));
        positions.push_back(static_cast<int32_t>(i));
      }
      at += length;
    }
    if (at != time) {
      fail(
          fmt::format("document_ranges: the documents of a row have {} tokens, the row has {}; "
                      "they must be equal",
                      at, time));
    }
  }
  const Shape shape = {static_cast<int64_t>(lengths.size()), time};
  const auto on_device = [&](const std::vector<int32_t>& values) {
    return Tensor::of<int32_t>(shape, values).to(device);
  };
  return {{on_device(first), on_device(end)}, on_device(positions)};
}

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
