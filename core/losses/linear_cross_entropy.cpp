#include "ripieno/core/losses/linear_cross_entropy.h"

#include <algorithm>

#include "ripieno/core/autograd.h"
#include "ripieno/core/operands.h"
#include "ripieno/core/ops/matmul.h"
#include "ripieno/core/place.h"
#include "ripieno/kernels/cross_entropy.h"
#include "ripieno/kernels/matmul.h"
#include "ripieno/kernels/scale.h"

namespace ripieno {
namespace {

using kernels::MatmulShape;

DType accumulator_type(DType dtype) {
  return dtype == DType::float64 ? DType::float64 : DType::float32;
}

// A probability in a large vocabulary is about 2e-5, which float16 can barely distinguish from 0.
double gradient_scale(DType dtype) { return dtype == DType::float16 ? 256.0 : 1.0; }

// Chunks have equal sizes if possible, in multiples of the tile of a matrix product. On a GPU each
// chunk reads and writes the weight's gradient once more, so chunks are larger there.
int64_t rows_of_chunk(int64_t rows, int64_t row_bytes, int64_t chunk_bytes, Device device) {
  constexpr int64_t kTile = 128;
  if (chunk_bytes <= 0) chunk_bytes = int64_t{device.is_cuda() ? 512 : 256} << 20;
  const int64_t most = std::max<int64_t>(chunk_bytes / row_bytes / kTile * kTile, kTile);
  const int64_t chunks = std::max<int64_t>((rows + most - 1) / most, 1);
  for (int64_t equal = chunks; equal <= 2 * chunks; ++equal) {
    if (rows % (equal * kTile) == 0) return rows / equal;
  }
  return std::min(rows, ((rows + chunks - 1) / chunks + kTile - 1) / kTile * kTile);
}

// The buffers of a head that computes losses one chunk of rows at a time.
template <typename T>
struct Head {
  using A = kernels::accumulator_t<T>;

  const T* x = nullptr;              // (rows, inputs)
  const T* weight = nullptr;         // (classes, inputs)
  const int32_t* targets = nullptr;  // (rows)
  A* row_losses = nullptr;           // (rows)
  T* logits = nullptr;               // (rows of a chunk, stride)
  T* grad_x = nullptr;               // like x, or null if not needed
  A* grad_weight = nullptr;          // like weight, or null
  int64_t classes = 0, inputs = 0, stride = 0;
  int32_t ignored = kIgnoredTarget;
  double scale = 1;  // of the gradients

  template <typename On>
  void losses_and_gradients(On on, int64_t begin, int64_t rows) const {
    compute_logits(on, begin, rows);
    const kernels::LogitsShape shape{rows, classes, stride};
    if (grad_x == nullptr && grad_weight == nullptr) {
      kernels::cross_entropy_forward(on, row_losses + begin, static_cast<A*>(nullptr), logits,
                                     targets + begin, shape, ignored);
      return;
    }
    kernels::cross_entropy_in_place(on, row_losses + begin, logits, targets + begin, shape, ignored,
                                    scale);
    if (grad_x != nullptr) compute_grad_x(on, begin, rows);
    if (grad_weight != nullptr) add_grad_weight(on, begin, rows);
  }

 private:
  template <typename On>
  void compute_logits(On on, int64_t begin, int64_t rows) const {
    const MatmulShape shape{.m = rows,
                            .n = classes,
                            .k = inputs,
                            .transpose_b = true,
                            .lda = inputs,
                            .ldb = inputs,
                            .ldc = stride};
    kernels::matmul(on, logits, x + begin * inputs, weight, shape, false);
  }

  // From the gradients of the logits, which have overwritten them.
  template <typename On>
  void compute_grad_x(On on, int64_t begin, int64_t rows) const {
    const MatmulShape shape{
        .m = rows, .n = inputs, .k = classes, .lda = stride, .ldb = inputs, .ldc = inputs};
    kernels::matmul(on, grad_x + begin * inputs, logits, weight, shape, false);
  }

  template <typename On>
  void add_grad_weight(On on, int64_t begin, int64_t rows) const {
    const MatmulShape shape{.m = classes,
                            .n = inputs,
                            .k = rows,
                            .transpose_a = true,
                            .lda = stride,
                            .ldb = inputs,
                            .ldc = inputs};
    kernels::matmul_to_float(on, grad_weight, logits, x + begin * inputs, shape, begin > 0);
  }
};

// What the forward saves for the backward: the gradients of the sum of the losses, times `scale`.
struct HeadGradients {
  Tensor x;       // like x, or undefined if not needed
  Tensor weight;  // (classes, inputs) in accumulator precision, or undefined
  double scale = 1;
};

// Of the products and of the softmax.
int64_t flops_of(const HeadGradients& saved, const Tensor& x, const Tensor& weight) {
  const int products = 1 + (saved.x.defined() ? 1 : 0) + (saved.weight.defined() ? 1 : 0);
  const int64_t rows = x.elements() / weight.size(1);
  return 2 * products * rows * weight.elements() + 5 * rows * weight.size(0);
}

void compute_gradients(const HeadGradients& saved, const Tensor& gradient,
                       autograd::Gradients& gradients) {
  if (gradients.wanted(0)) {
    run({"linear_cross_entropy: gradient", {&saved.x, &saved.x}, saved.x.elements()}, saved.x,
        [&]<typename T>(auto on) {
          kernels::scale_by(on, saved.x.data<T>(), saved.x.data<T>(),
                            gradient.data<kernels::accumulator_t<T>>(), saved.x.elements(),
                            1 / saved.scale,
                            /*accumulate=*/false);
        });
    gradients.add(0, saved.x);
  }
  if (gradients.wanted(1)) {
    const auto [target, accumulate] = gradients.destination(1);
    run({"linear_cross_entropy: gradient", {&target, &saved.weight}, target.elements()}, target,
        [&, &target = target, &accumulate = accumulate]<typename T>(auto on) {
          using A = kernels::accumulator_t<T>;
          kernels::scale_by(on, target.data<T>(), saved.weight.data<A>(), gradient.data<A>(),
                            saved.weight.elements(), 1 / saved.scale, accumulate);
        });
  }
}

void check(const Tensor& x, const Tensor& weight, const Tensor& targets, int32_t ignored) {
  if (weight.rank() != 2 || x.rank() < 1 || x.size(-1) != weight.size(1)) {
    fail("linear_cross_entropy: x is " + to_string(x.shape()) + ", weight is " +
         to_string(weight.shape()) + "; they must be (…, inputs) and (classes, inputs)");
  }
  if (weight.elements() == 0) {
    fail("linear_cross_entropy: weight must have at least one class and one input, got " +
         to_string(weight.shape()));
  }
  require_one_type("linear_cross_entropy", {{"x", x}, {"weight", weight}});
  require_one_device("linear_cross_entropy", {{"x", x}, {"targets", targets}});
  if (targets.elements() * x.size(-1) != x.elements()) {
    fail("linear_cross_entropy: x is " + to_string(x.shape()) + ", targets is " +
         to_string(targets.shape()) + "; they must be (…, inputs) and (…)");
  }
  require_targets("linear_cross_entropy", targets, weight.size(0), ignored);
}

// Processes one chunk of rows after another. Returns the losses, (rows).
template <typename T, typename On>
Tensor process_rows(On on, const HeadGradients& saved, const Tensor& x, const Tensor& weight,
                    const Tensor& targets, const LinearCrossEntropyOptions& options) {
  using A = kernels::accumulator_t<T>;
  constexpr int64_t kAligned = 16 / sizeof(T);  // rows start at multiples of 16 bytes
  const int64_t rows = targets.elements(), classes = weight.size(0), inputs = weight.size(1);
  const int64_t stride = (classes + kAligned - 1) / kAligned * kAligned;
  const int64_t chunk = rows_of_chunk(rows, stride * static_cast<int64_t>(sizeof(T)),
                                      options.chunk_bytes, x.device());
  const Tensor logits({chunk, stride}, x.dtype(), x.device());
  const Tensor row_losses({rows}, dtype_of<A>, x.device());
  const Head<T> head{.x = x.data<T>(),
                     .weight = weight.data<T>(),
                     .targets = targets.data<int32_t>(),
                     .row_losses = row_losses.data<A>(),
                     .logits = logits.data<T>(),
                     .grad_x = saved.x.defined() ? saved.x.data<T>() : nullptr,
                     .grad_weight = saved.weight.defined() ? saved.weight.data<A>() : nullptr,
                     .classes = classes,
                     .inputs = inputs,
                     .stride = stride,
                     .ignored = options.ignored,
                     .scale = saved.scale};
  for (int64_t begin = 0; begin < rows; begin += chunk) {
    head.losses_and_gradients(on, begin, std::min(chunk, rows - begin));
  }
  return row_losses;
}

}  // namespace

Loss linear_cross_entropy(const Tensor& x_, const Tensor& weight_, const Tensor& targets_,
                          const LinearCrossEntropyOptions& options) {
  require_defined("linear_cross_entropy", {{"x", x_}, {"weight", weight_}, {"targets", targets_}});
  const Tensor x = x_.dense(), weight = weight_.dense(), targets = targets_.dense();
  check(x, weight, targets, options.ignored);
  HeadGradients saved;
  saved.scale = gradient_scale(x.dtype());
  if (autograd::needed({&x})) saved.x = Tensor(x.shape(), x.dtype(), x.device());
  if (autograd::needed({&weight})) {
    saved.weight = Tensor(weight.shape(), accumulator_type(x.dtype()), x.device());
    if (targets.elements() == 0) saved.weight.fill(0);
  }
  Tensor row_losses;
  run({"linear_cross_entropy",
       {&saved.x, &saved.weight, &x, &weight, &targets},
       flops_of(saved, x, weight)},
      x, [&]<typename T>(auto on) {
        row_losses = process_rows<T>(on, saved, x, weight, targets, options);
      });
  Loss loss = sum_of_rows(row_losses, targets, options.ignored);
  loss.sum = autograd::record("linear_cross_entropy", loss.sum, {&x, &weight},
                              [saved](const Tensor& gradient, autograd::Gradients& gradients) {
                                compute_gradients(saved, gradient, gradients);
                              });
  return loss;
}

}  // namespace ripieno
