#include "ripieno/kernels/indexing.h"

#include <algorithm>

#include "ripieno/kernels/cpu/support/parallel.h"
#include "ripieno/kernels/element_types.h"

namespace ripieno::kernels {
namespace {

// Where a line begins, in the index and in the target.
struct LineBegin {
  int64_t index = 0, target = 0;
};

LineBegin begin_of(int64_t line, const StridedShape& lines) {
  LineBegin begin;
  for (int axis = lines.rank - 1; axis >= 0; --axis) {
    const int64_t at = line % lines.sizes[axis];
    line /= lines.sizes[axis];
    begin.index += at * lines.strides_a[axis];
    begin.target += at * lines.strides_b[axis];
  }
  return begin;
}

// Calls body(i, at) for each element i of the index, where `at` is its offset in the target, or -1.
// The elements of a line are visited in order, by one thread.
template <typename Body>
void for_each_index(const int64_t* index, const IndexLines& shape, const Body& body) {
  cpu::parallel_for(shape.number_of_lines, shape.count, [&](int64_t line) {
    const LineBegin begin = begin_of(line, shape.lines);
    for (int64_t k = 0; k < shape.count; ++k) {
      const int64_t i = begin.index + k * shape.index_stride;
      const bool is_valid = index[i] >= 0 && index[i] < shape.bound;
      body(i, is_valid ? begin.target + index[i] * shape.target_stride : -1);
    }
  });
}

template <typename T, typename Number>
T rounded(Number value) {
  if constexpr (sizeof(T) == 2) {
    return T(static_cast<float>(value));
  } else {
    return static_cast<T>(value);
  }
}

}  // namespace

template <typename Word>
void gather(OnCpu, Word* out, const Word* target, const int64_t* index, const IndexLines& shape) {
  for_each_index(index, shape,
                 [&](int64_t i, int64_t at) { out[i] = at < 0 ? Word(0) : target[at]; });
}

template <typename Word>
void scatter(OnCpu, Word* target, const Word* in, const int64_t* index, const IndexLines& shape) {
  for_each_index(index, shape, [&](int64_t i, int64_t at) {
    if (at >= 0) target[at] = in[i];
  });
}

void target_positions(OnCpu, int32_t* positions, const int64_t* index, const IndexLines& shape) {
  for_each_index(index, shape,
                 [&](int64_t i, int64_t at) { positions[i] = static_cast<int32_t>(at); });
}

template <typename Word>
void index_select(OnCpu, Word* out, const Word* in, const int64_t* index,
                  const SelectShape& shape) {
  const int64_t axis = shape.axis, inner = shape.inner, count = shape.count;
  cpu::parallel_for(shape.outer * count, inner, [&](int64_t row) {
    const int64_t from = index[row % count];
    if (from < 0 || from >= axis) {
      std::fill_n(out + row * inner, inner, Word(0));
    } else {
      std::copy_n(in + (row / count * axis + from) * inner, inner, out + row * inner);
    }
  });
}

void select_positions(OnCpu, int32_t* rows, const int64_t* index, const SelectShape& shape) {
  for (int64_t row = 0; row < shape.outer * shape.count; ++row) {
    const int64_t from = index[row % shape.count];
    const bool is_valid = from >= 0 && from < shape.axis;
    rows[row] = is_valid ? static_cast<int32_t>(row / shape.count * shape.axis + from) : -1;
  }
}

template <typename T, typename Number>
void ramp(OnCpu, T* out, int64_t size, Number begin, Number step) {
  cpu::for_each_block(size, [&](int64_t first, int64_t end) {
    for (int64_t i = first; i < end; ++i) {
      out[i] = rounded<T>(begin + static_cast<Number>(i) * step);
    }
  });
}

#define RIPIENO_INDEXING(Word)                                                         \
  template void gather(OnCpu, Word*, const Word*, const int64_t*, const IndexLines&);  \
  template void scatter(OnCpu, Word*, const Word*, const int64_t*, const IndexLines&); \
  template void index_select(OnCpu, Word*, const Word*, const int64_t*, const SelectShape&)

RIPIENO_INDEXING(uint8_t);
RIPIENO_INDEXING(uint16_t);
RIPIENO_INDEXING(uint32_t);
RIPIENO_INDEXING(uint64_t);

#undef RIPIENO_INDEXING

template void ramp(OnCpu, float*, int64_t, double, double);
template void ramp(OnCpu, double*, int64_t, double, double);
template void ramp(OnCpu, bfloat16*, int64_t, double, double);
template void ramp(OnCpu, float16*, int64_t, double, double);
template void ramp(OnCpu, int64_t*, int64_t, int64_t, int64_t);
template void ramp(OnCpu, int32_t*, int64_t, int64_t, int64_t);
template void ramp(OnCpu, uint8_t*, int64_t, int64_t, int64_t);

}  // namespace ripieno::kernels
