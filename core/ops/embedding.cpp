#include "ripieno/core/ops/embedding.h"

#include <fmt/format.h>

#include <algorithm>

#include "ripieno/core/autograd.h"
#include "ripieno/core/device_faults.h"
#include "ripieno/core/operands.h"
#include "ripieno/core/ops/reduce.h"
#include "ripieno/core/place.h"
#include "ripieno/kernels/embedding.h"

namespace ripieno {
namespace {

using autograd::Gradients;

void check(const Tensor& table, const Tensor& ids, const Tensor& positions) {
  require_one_device("embedding", {{"table", table}, {"ids", ids}});
  if (table.rank() != 2)
    fail("embedding: table must be (vocab, channels), got " + to_string(table.shape()));
  if (ids.dtype() != DType::int32) {
    fail(fmt::format("embedding: ids must be int32, got {}", name_of(ids.dtype())));
  }
  if (positions.defined() &&
      (ids.rank() == 0 || positions.shape() != Shape{ids.size(-1), table.size(1)} ||
       positions.dtype() != table.dtype() || positions.device() != table.device())) {
    fail("embedding: positions is " + describe(positions) + ", ids is " + to_string(ids.shape()) +
         ", table is " + describe(table) +
         "; positions must be (time, channels), with the type and device of table");
  }
  require_known_ids(IdOperation::embedding, ids, table.size(0), /*exempt=*/0);
}

void compute_table_gradient(Gradients& gradients, const Tensor& gradient, const Tensor& ids,
                            const kernels::EmbeddingShape& shape) {
  const auto [target, accumulate] = gradients.destination(0);
  const Work work{"embedding: table gradient", {&target, &gradient, &ids}, gradient.elements()};
  run(work, gradient, [&, &target = target, &accumulate = accumulate]<typename T>(auto on) {
    const auto bytes = kernels::embedding_workspace_bytes<T>(on, shape);
    const Tensor workspace({static_cast<int64_t>(bytes)}, DType::uint8, gradient.device());
    kernels::embedding_backward(on, target.data<T>(), workspace.raw_data(), gradient.data<T>(),
                                ids.data<int32_t>(), shape, accumulate);
  });
}

void compute_positions_gradient(Gradients& gradients, const Tensor& gradient, int64_t sequences) {
  const auto [target, accumulate] = gradients.destination(1);
  sum_rows_into(target, gradient, sequences, accumulate);
}

}  // namespace

Tensor embedding(const Tensor& table_, const Tensor& ids_, const Tensor& positions_) {
  require_defined("embedding", {{"table", table_}, {"ids", ids_}});
  const Tensor table = table_.dense(), ids = ids_.dense();
  const Tensor positions = positions_.defined() ? positions_.dense() : Tensor();
  check(table, ids, positions);
  const kernels::EmbeddingShape shape{ids.elements(), table.size(0), table.size(1)};
  const int64_t time = positions.defined() ? positions.size(0) : 1;
  Shape result_shape = ids.shape();
  result_shape.push_back(shape.channels);
  Tensor result(result_shape, table.dtype(), table.device());
  const Work work{
      "embedding", {&result, &result, &ids}, positions.defined() ? result.elements() : 0};
  run(work, table, [&]<typename T>(auto on) {
    kernels::embedding_forward(on, result.data<T>(), table.data<T>(), ids.data<int32_t>(),
                               positions.defined() ? positions.data<T>() : nullptr, time, shape);
  });
  return autograd::record(
      "embedding", result, {&table, &positions},
      [ids = autograd::Saved(ids), shape, time](const Tensor& gradient, Gradients& gradients) {
        if (gradients.wanted(0)) compute_table_gradient(gradients, gradient, *ids, shape);
        if (gradients.wanted(1))
          compute_positions_gradient(gradients, gradient, shape.count / std::max<int64_t>(time, 1));
      });
}

}  // namespace ripieno
