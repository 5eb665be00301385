// The keys that a query of attention sees, shared by the backends.
#pragma once

#include "ripieno/kernels/attention.h"
#include "ripieno/kernels/formulas/formula.h"

namespace ripieno::kernels {

struct KeyRange {
  int64_t begin, end;  // begin <= end
};

// The range that a query sees, of which `allowed` may leave out some.
template <typename T>
RIPIENO_FORMULA KeyRange keys_of(const MaskedAttentionShape& shape, const AttentionMasks<T>& masks,
                                 int64_t batch, int64_t query) {
  const int64_t diagonal = shape.keys - shape.queries + query;
  int64_t begin = 0, end = shape.keys;
  const auto raise = [&](int64_t to) { begin = to > begin ? to : begin; };
  const auto lower = [&](int64_t to) { end = to < end ? to : end; };
  if (shape.causal) lower(diagonal + 1);
  if (shape.window > 0) {
    raise(diagonal - shape.window + 1);
    lower(diagonal + shape.window);
  }
  if (masks.first_key) raise(masks.first_key[batch * shape.queries + query]);
  if (masks.end_key) lower(masks.end_key[batch * shape.queries + query]);
  if (end < 0) end = 0;
  return {begin < end ? begin : end, end};
}

}  // namespace ripieno::kernels
