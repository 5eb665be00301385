#include <array>

#include "ripieno/kernels/cpu/support/convert.h"
#include "ripieno/kernels/cpu/support/math.h"
#include "ripieno/kernels/cpu/support/parallel.h"
#include "ripieno/kernels/element_types.h"
#include "ripieno/kernels/elementwise.h"

namespace ripieno::kernels {

namespace {

// The shape without axes of size 1, and with adjacent axes merged where the strides of both
// operands allow it. Its rank is at least 1.
StridedShape merged(const StridedShape& shape) {
  StridedShape out;
  for (int axis = 0; axis < shape.rank; ++axis) {
    const int64_t size = shape.sizes[axis];
    if (size == 1) continue;
    const int last = out.rank - 1;
    if (last >= 0 && out.strides_a[last] == shape.strides_a[axis] * size &&
        out.strides_b[last] == shape.strides_b[axis] * size) {
      out.sizes[last] *= size;
    } else {
      out.sizes[out.rank++] = size;
    }
    out.strides_a[out.rank - 1] = shape.strides_a[axis];
    out.strides_b[out.rank - 1] = shape.strides_b[axis];
  }
  if (out.rank == 0) out.sizes[out.rank++] = 1;
  return out;
}

// Calls body(out_offset, a_offset, b_offset) for each row, a row being the last axis.
template <typename Body>
void for_each_row(const StridedShape& shape, const Body& body) {
  const int outer_rank = shape.rank - 1;
  const int64_t cols = shape.sizes[outer_rank];
  int64_t rows = 1;
  for (int axis = 0; axis < outer_rank; ++axis) rows *= shape.sizes[axis];
  if (cols == 0) return;
  const int64_t rows_per_item = std::max<int64_t>(1, cpu::kBlock / cols);
  cpu::parallel_for((rows + rows_per_item - 1) / rows_per_item, rows_per_item * cols,
                    [&](int64_t item) {
                      const int64_t first = item * rows_per_item;
                      const int64_t last = std::min(rows, first + rows_per_item);
                      int64_t index[kMaxRank] = {}, a = 0, b = 0;
                      for (int axis = outer_rank - 1, rest = 0; axis >= rest; --axis) {
                        int64_t above = first;
                        for (int inner = outer_rank - 1; inner > axis; --inner)
                          above /= shape.sizes[inner];
                        index[axis] = above % shape.sizes[axis];
                        a += index[axis] * shape.strides_a[axis];
                        b += index[axis] * shape.strides_b[axis];
                      }
                      for (int64_t row = first; row < last; ++row) {
                        body(row * cols, a, b);
                        for (int axis = outer_rank - 1; axis >= 0; --axis) {
                          a += shape.strides_a[axis];
                          b += shape.strides_b[axis];
                          if (++index[axis] < shape.sizes[axis]) break;
                          a -= index[axis] * shape.strides_a[axis];
                          b -= index[axis] * shape.strides_b[axis];
                          index[axis] = 0;
                        }
                      }
                    });
}

// out[i] = formula(a[i * stride_a], b[i * stride_b]), with specialized loops for common strides.
template <typename T, typename Formula>
void binary_row(T* out, const T* a, const T* b, int64_t cols, int64_t stride_a, int64_t stride_b,
                Formula formula) {
  using A = accumulator_t<T>;
  if (stride_a == 1 && stride_b == 1) {
#pragma omp simd
    for (int64_t i = 0; i < cols; ++i) out[i] = cpu::convert<T>(formula.value(A(a[i]), A(b[i])));
  } else if (stride_a == 1 && stride_b == 0) {
    const A y = A(*b);
#pragma omp simd
    for (int64_t i = 0; i < cols; ++i) out[i] = cpu::convert<T>(formula.value(A(a[i]), y));
  } else if (stride_a == 0 && stride_b == 1) {
    const A x = A(*a);
#pragma omp simd
    for (int64_t i = 0; i < cols; ++i) out[i] = cpu::convert<T>(formula.value(x, A(b[i])));
  } else {
    for (int64_t i = 0; i < cols; ++i) {
      out[i] = cpu::convert<T>(formula.value(A(a[i * stride_a]), A(b[i * stride_b])));
    }
  }
}

}  // namespace

template <typename T>
void binary_strided(OnCpu, T* out, const T* a, const T* b, const StridedShape& shape, Binary op) {
  const StridedShape s = merged(shape);
  const int last = s.rank - 1;
  formulas::with_binary<cpu::Math>(op, [&](auto formula) {
    for_each_row(s, [&](int64_t o, int64_t i, int64_t j) {
      binary_row(out + o, a + i, b + j, s.sizes[last], s.strides_a[last], s.strides_b[last],
                 formula);
    });
  });
}

template <typename Word>
void copy_strided(OnCpu, Word* out, const Word* a, const StridedShape& shape) {
  StridedShape s = shape;
  std::copy(s.strides_a, s.strides_a + kMaxRank, s.strides_b);
  s = merged(s);
  const int64_t cols = s.sizes[s.rank - 1], stride = s.strides_a[s.rank - 1];
  for_each_row(s, [&](int64_t o, int64_t i, int64_t) {
    if (stride == 1) {
      std::copy(a + i, a + i + cols, out + o);
    } else {
      for (int64_t c = 0; c < cols; ++c) out[o + c] = a[i + c * stride];
    }
  });
}

template <typename Word>
void copy_to_strided(OnCpu, Word* out, const Word* in, const StridedShape& shape) {
  StridedShape s = shape;
  std::copy(s.strides_a, s.strides_a + kMaxRank, s.strides_b);
  s = merged(s);
  const int64_t cols = s.sizes[s.rank - 1], stride = s.strides_a[s.rank - 1];
  for_each_row(s, [&](int64_t from, int64_t to, int64_t) {
    if (stride == 1) {
      std::copy(in + from, in + from + cols, out + to);
    } else {
      for (int64_t c = 0; c < cols; ++c) out[to + c * stride] = in[from + c];
    }
  });
}

template void binary_strided(OnCpu, float*, const float*, const float*, const StridedShape&,
                             Binary);
template void binary_strided(OnCpu, double*, const double*, const double*, const StridedShape&,
                             Binary);
template void binary_strided(OnCpu, bfloat16*, const bfloat16*, const bfloat16*,
                             const StridedShape&, Binary);
template void binary_strided(OnCpu, float16*, const float16*, const float16*, const StridedShape&,
                             Binary);

template void copy_strided(OnCpu, uint8_t*, const uint8_t*, const StridedShape&);
template void copy_strided(OnCpu, uint16_t*, const uint16_t*, const StridedShape&);
template void copy_strided(OnCpu, uint32_t*, const uint32_t*, const StridedShape&);
template void copy_strided(OnCpu, uint64_t*, const uint64_t*, const StridedShape&);

template void copy_to_strided(OnCpu, uint8_t*, const uint8_t*, const StridedShape&);
template void copy_to_strided(OnCpu, uint16_t*, const uint16_t*, const StridedShape&);
template void copy_to_strided(OnCpu, uint32_t*, const uint32_t*, const StridedShape&);
template void copy_to_strided(OnCpu, uint64_t*, const uint64_t*, const StridedShape&);

}  // namespace ripieno::kernels
