#include "ripieno/core/ops/embedding.h"

#include <fmt/format.h>

#include <span>

#include "ripieno/core/autograd.h"
#include "ripieno/core/place.h"
#include "ripieno/kernels/embedding.h"

namespace ripieno {
namespace {

void check(const Tensor& table, const Tensor& ids) {
  if (table.rank() != 2) fail("embedding: the table is a matrix, not " + to_string(table.shape()));
  if (ids.dtype() != DType::int32) {
    fail(fmt::format("embedding: ids are int32, not {}", name_of(ids.dtype())));
  }
  if (ids.device().is_cuda())
    return;  // reading them here would wait for the device; the kernel gives NaN
  const int64_t vocab = table.size(0);
  for (const int32_t id :
       std::span(ids.data<int32_t>(), static_cast<std::size_t>(ids.elements()))) {
    if (id < 0 || id >= vocab) {
      throw DataError(
          fmt::format("embedding: id {} is outside the {} rows of the table", id, vocab));
    }
  }
}

}  // namespace

Tensor embedding(const Tensor& table, const Tensor& ids_) {
  const Tensor ids = ids_.dense();
  check(table, ids);
  const int64_t count = ids.elements(), vocab = table.size(0), channels = table.size(1);
  Shape shape = ids.shape();
  shape.push_back(channels);
  Tensor result(shape, table.dtype(), table.device());
  run(table, [&]<typename T>(auto on) {
    kernels::embedding_forward(on, result.data<T>(), table.data<T>(), ids.data<int32_t>(), count,
                               vocab, channels);
  });
  return autograd::record(
      "embedding", result, {&table},
      [ids, count, vocab, channels](const Tensor& gradient, autograd::Gradients& gradients) {
        const auto [target, accumulate] = gradients.destination(0);
        const Tensor workspace({3 * count + vocab + 1}, DType::int32, gradient.device());
        run(gradient, [&, &target = target, &accumulate = accumulate]<typename T>(auto on) {
          kernels::embedding_backward(on, target.data<T>(), workspace.data<int32_t>(),
                                      gradient.data<T>(), ids.data<int32_t>(), count, vocab,
                                      channels, accumulate);
        });
      });
}

}  // namespace ripieno
