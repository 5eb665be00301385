// Reading and writing elements by index, and arithmetic sequences.
//
// An index outside [0, bound) reads as 0 and is not written to (known_ids.h detects such indices).
#pragma once

#include <cstdint>

#include "ripieno/kernels/elementwise.h"  // StridedShape
#include "ripieno/kernels/execution.h"

namespace ripieno::kernels {

// How the elements of an index address another tensor, the target, along one axis. A line has all
// elements of the index that differ along that axis only.
struct IndexLines {
  StridedShape lines;  // strides_a: of the index, which is contiguous; strides_b: of the target
  int64_t number_of_lines = 1;
  int64_t count = 0;          // of indices in a line
  int64_t index_stride = 1;   // between the indices of a line
  int64_t target_stride = 1;  // along the axis of the target
  int64_t bound = 0;          // size of that axis
};

// out[i] = target[…, index[i], …].   out, index: contiguous, of one shape. Word: as for
// copy_strided().
template <typename Word>
void gather(OnCpu, Word* out, const Word* target, const int64_t* index, const IndexLines& shape);
template <typename Word>
void gather(OnCuda, Word* out, const Word* target, const int64_t* index, const IndexLines& shape);

// target[…, index[i], …] = in[i].   in, index: contiguous, of one shape. If a line has an index
// twice, its last element is written.
template <typename Word>
void scatter(OnCpu, Word* target, const Word* in, const int64_t* index, const IndexLines& shape);
template <typename Word>
void scatter(OnCuda, Word* target, const Word* in, const int64_t* index, const IndexLines& shape);

// positions[i] = the offset in the target that index[i] addresses; -1 for an index out of range.
void target_positions(OnCpu, int32_t* positions, const int64_t* index, const IndexLines& shape);
void target_positions(OnCuda, int32_t* positions, const int64_t* index, const IndexLines& shape);

// out[o, k, i] = in[o, index[k], i].   in: (outer, axis, inner); index: (count); out: (outer,
// count, inner).
struct SelectShape {
  int64_t outer = 1, axis = 1, inner = 1, count = 0;
};
template <typename Word>
void index_select(OnCpu, Word* out, const Word* in, const int64_t* index, const SelectShape& shape);
template <typename Word>
void index_select(OnCuda, Word* out, const Word* in, const int64_t* index,
                  const SelectShape& shape);
// rows[o, k] = o * axis + index[k], the row of in viewed as (outer * axis, inner); -1 for an index
// out of range.
void select_positions(OnCpu, int32_t* rows, const int64_t* index, const SelectShape& shape);
void select_positions(OnCuda, int32_t* rows, const int64_t* index, const SelectShape& shape);

// out[i] = begin + i * step, computed in double for floating-point types T and in int64_t for
// integers.   T: float, double, bfloat16, float16, int64_t, int32_t, uint8_t.
template <typename T, typename Number>
void ramp(OnCpu, T* out, int64_t size, Number begin, Number step);
template <typename T, typename Number>
void ramp(OnCuda, T* out, int64_t size, Number begin, Number step);

}  // namespace ripieno::kernels
