#include "ripieno/core/losses/embedding_losses.h"

#include <fmt/format.h>

#include <cmath>
#include <numeric>

#include "ripieno/core/autograd.h"
#include "ripieno/core/losses/cross_entropy.h"
#include "ripieno/core/operands.h"
#include "ripieno/core/ops/activation.h"
#include "ripieno/core/ops/arithmetic.h"
#include "ripieno/core/ops/matmul.h"
#include "ripieno/core/ops/reduce.h"
#include "ripieno/core/place.h"
#include "ripieno/kernels/cosine_similarity.h"

namespace ripieno {
namespace {

using autograd::Saved;

void require_rows(const char* name, Operands operands) {
  require_defined(name, operands);
  require_one_type(name, operands);
  const Operand& first = *operands.begin();
  for (const auto& [argument, tensor] : operands) {
    if (!is_floating_point(tensor.dtype()) || tensor.rank() == 0) {
      fail(fmt::format("{}: {} is {}; it must be (…, channels), of a floating-point type", name,
                       argument, describe(tensor)));
    }
    if (tensor.shape() == first.tensor.shape()) continue;
    fail(fmt::format("{}: {} is {}, {} is {}; the shapes must match", name, first.name,
                     to_string(first.tensor.shape()), argument, to_string(tensor.shape())));
  }
}

template <typename T>
kernels::RowPairs<T> pairs_of(const Tensor& a, const Tensor& b, int64_t rows, double smallest) {
  return {a.data<T>(), b.data<T>(), rows, a.size(-1), smallest};
}

Tensor euclidean_distance(const Tensor& a, const Tensor& b, double epsilon) {
  return sqrt(sum(square(a - b + epsilon), -1));
}

// The rows of all ranks; its gradient goes to the rank that has the row.
Tensor gathered(const Tensor& rows, RowExchange* exchange) {
  if (!exchange) return rows;
  const Tensor dense = rows.dense();
  const Tensor all = exchange->gather(dense.detach());
  return autograd::record("info_nce: gather", all, {&dense},
                          [exchange](const Tensor& gradient, autograd::Gradients& gradients) {
                            gradients.add(0, exchange->sum_own(gradient.dense()));
                          });
}

Tensor targets_from(int64_t first, int64_t rows, Device device) {
  std::vector<int32_t> targets(static_cast<std::size_t>(rows));
  std::iota(targets.begin(), targets.end(), static_cast<int32_t>(first));
  return Tensor::of({rows}, targets).to(device);
}

Tensor scores_of(const Tensor& queries, const Tensor& keys, double temperature) {
  return matmul(queries, keys.transpose(0, 1)) * (1.0 / temperature);
}

}  // namespace

Tensor cosine_similarity(const Tensor& a_, const Tensor& b_, double smallest) {
  require_rows("cosine_similarity", {{"a", a_}, {"b", b_}});
  if (!(smallest > 0.0 && std::isfinite(smallest)))
    fail(fmt::format("cosine_similarity: smallest is {}; it must be above 0 and finite", smallest));
  const Tensor a = a_.dense(), b = b_.dense();
  Shape shape = a.shape();
  shape.pop_back();
  const int64_t rows = shape.elements();
  const Tensor result(shape, a.dtype(), a.device());
  const Tensor statistics({rows, 3}, a.dtype() == DType::float64 ? DType::float64 : DType::float32,
                          a.device());
  run({"cosine_similarity", {&result, &a, &b}, 6 * a.elements()}, a, [&]<typename T>(auto on) {
    kernels::cosine_similarity_forward(on, result.data<T>(),
                                       statistics.data<kernels::accumulator_t<T>>(),
                                       pairs_of<T>(a, b, rows, smallest));
  });
  return autograd::record(
      "cosine_similarity", result, {&a, &b},
      [a = Saved(a), b = Saved(b), statistics, rows, smallest](const Tensor& gradient_,
                                                               autograd::Gradients& gradients) {
        const auto memory = [&](int input) {
          return gradients.wanted(input) ? Tensor(a->shape(), a->dtype(), a->device()) : Tensor();
        };
        const Tensor gradient = gradient_.dense(), of_a = memory(0), of_b = memory(1);
        const Work work{"cosine_similarity: gradient", {&of_a, &of_b, &*a, &*b}};
        run(work, *a, [&]<typename T>(auto on) {
          const auto numbers = [](const Tensor& x) { return x.defined() ? x.data<T>() : nullptr; };
          kernels::cosine_similarity_backward(on, numbers(of_a), numbers(of_b), gradient.data<T>(),
                                              statistics.data<kernels::accumulator_t<T>>(),
                                              pairs_of<T>(*a, *b, rows, smallest));
        });
        if (of_a.defined()) gradients.add(0, of_a);
        if (of_b.defined()) gradients.add(1, of_b);
      });
}

Loss cosine_embedding_loss(const Tensor& a, const Tensor& b, const Tensor& labels, double margin) {
  require_rows("cosine_embedding_loss", {{"a", a}, {"b", b}});
  require_defined("cosine_embedding_loss", {{"labels", labels}});
  require_one_device("cosine_embedding_loss", {{"a", a}, {"labels", labels}});
  Shape shape = a.shape();
  shape.pop_back();
  if (labels.shape() != shape) {
    fail(
        fmt::format("cosine_embedding_loss: a is {}, labels is {}; they must be (…, channels) and "
                    "(…)",
                    to_string(a.shape()), to_string(labels.shape())));
  }
  const Tensor cosine = cosine_similarity(a, b, 1e-12);
  const DType dtype = a.dtype() == DType::float64 ? DType::float64 : DType::float32;
  const Tensor wide = cosine.to(dtype), sign = labels.detach().to(dtype);
  const Tensor similar = (1.0 - wide) * (sign + 1.0), other = relu(wide - margin) * (1.0 - sign);
  return Loss::over(sum(similar + other) * 0.5, cosine.elements());
}

Loss triplet_margin_loss(const Tensor& anchor, const Tensor& positive, const Tensor& negative,
                         const TripletMarginOptions& options) {
  require_rows("triplet_margin_loss",
               {{"anchor", anchor}, {"positive", positive}, {"negative", negative}});
  if (!(options.margin > 0.0 && std::isfinite(options.margin)))
    fail(fmt::format("triplet_margin_loss: margin is {}; it must be above 0 and finite",
                     options.margin));
  const DType dtype = anchor.dtype() == DType::float64 ? DType::float64 : DType::float32;
  const Tensor a = anchor.to(dtype), p = positive.to(dtype), n = negative.to(dtype);
  const Tensor near = euclidean_distance(a, p, options.epsilon);
  Tensor far = euclidean_distance(a, n, options.epsilon);
  if (options.swap) far = far - relu(far - euclidean_distance(p, n, options.epsilon));
  return Loss::over(sum(relu(near - far + options.margin)), near.elements());
}

Loss info_nce(const Tensor& queries, const Tensor& keys, const InfoNceOptions& options) {
  require_rows("info_nce", {{"queries", queries}, {"keys", keys}});
  if (queries.rank() != 2)
    fail(fmt::format("info_nce: queries is {}; it must be (rows, channels)",
                     to_string(queries.shape())));
  if (!(options.temperature > 0.0 && std::isfinite(options.temperature)))
    fail(fmt::format("info_nce: temperature is {}; it must be above 0 and finite",
                     options.temperature));
  const int64_t rows = queries.size(0);
  const int64_t first = options.exchange ? options.exchange->first_row(rows) : 0;
  const Tensor targets = targets_from(first, rows, queries.device());
  const auto loss_of = [&](const Tensor& scored, const Tensor& candidates) {
    return cross_entropy(
        scores_of(scored, gathered(candidates, options.exchange), options.temperature), targets);
  };
  Loss loss = loss_of(queries, keys);
  if (options.symmetric) loss.sum = (loss.sum + loss_of(keys, queries).sum) * 0.5;
  return loss;
}

}  // namespace ripieno
