#include "ripieno/kernels/cuda/device/device.cuh"
#include "ripieno/kernels/indexing.h"

namespace ripieno::kernels {
namespace {

// Where a line begins, in the index and in the target.
struct LineBegin {
  int64_t index = 0, target = 0;
};

__device__ LineBegin begin_of(int64_t line, const StridedShape& lines) {
  LineBegin begin;
  for (int axis = lines.rank - 1; axis >= 0; --axis) {
    const int64_t at = line % lines.sizes[axis];
    line /= lines.sizes[axis];
    begin.index += at * lines.strides_a[axis];
    begin.target += at * lines.strides_b[axis];
  }
  return begin;
}

struct Address {
  int64_t i = 0, target = -1;  // -1: the index is out of range
};

// The address of element k of a line.
__device__ Address address_of(const int64_t* index, const IndexLines& shape, LineBegin begin,
                              int64_t k) {
  const int64_t i = begin.index + k * shape.index_stride;
  const bool is_valid = index[i] >= 0 && index[i] < shape.bound;
  return {i, is_valid ? begin.target + index[i] * shape.target_stride : -1};
}

// The address of the element of a thread. Adjacent threads have adjacent elements of the index if
// the axis, or the axis after it, is the last.
__device__ Address address_of_thread(const int64_t* index, const IndexLines& shape,
                                     int64_t thread) {
  const bool along_line = shape.index_stride == 1;
  const int64_t line = along_line ? thread / shape.count : thread % shape.number_of_lines;
  const int64_t k = along_line ? thread % shape.count : thread / shape.number_of_lines;
  return address_of(index, shape, begin_of(line, shape.lines), k);
}

// One thread per element of the index.
template <typename Word>
__global__ void gather_kernel(Word* out, const Word* target, const int64_t* index,
                              IndexLines shape) {
  const int64_t thread = cuda::global_thread();
  if (thread >= shape.number_of_lines * shape.count) return;
  const Address at = address_of_thread(index, shape, thread);
  out[at.i] = at.target < 0 ? Word(0) : target[at.target];
}

// One thread per line, so that the last of several equal indices is always the one that is written.
template <typename Word>
__global__ void scatter_kernel(Word* target, const Word* in, const int64_t* index,
                               IndexLines shape) {
  const int64_t line = cuda::global_thread();
  if (line >= shape.number_of_lines) return;
  const LineBegin begin = begin_of(line, shape.lines);
  for (int64_t k = 0; k < shape.count; ++k) {
    const Address at = address_of(index, shape, begin, k);
    if (at.target >= 0) target[at.target] = in[at.i];
  }
}

// One thread per element of the index.
__global__ void target_positions_kernel(int32_t* positions, const int64_t* index,
                                        IndexLines shape) {
  const int64_t thread = cuda::global_thread();
  if (thread >= shape.number_of_lines * shape.count) return;
  const Address at = address_of_thread(index, shape, thread);
  positions[at.i] = static_cast<int32_t>(at.target);
}

// One thread per element of out.
template <typename Word>
__global__ void index_select_kernel(Word* out, const Word* in, const int64_t* index,
                                    SelectShape shape) {
  const int64_t element = cuda::global_thread(), row = element / shape.inner;
  if (row >= shape.outer * shape.count) return;
  const int64_t from = index[row % shape.count];
  const bool is_valid = from >= 0 && from < shape.axis;
  const int64_t at = (row / shape.count * shape.axis + from) * shape.inner + element % shape.inner;
  out[element] = is_valid ? in[at] : Word(0);
}

// One thread per row.
__global__ void select_positions_kernel(int32_t* rows, const int64_t* index, SelectShape shape) {
  const int64_t row = cuda::global_thread();
  if (row >= shape.outer * shape.count) return;
  const int64_t from = index[row % shape.count];
  const bool is_valid = from >= 0 && from < shape.axis;
  rows[row] = is_valid ? static_cast<int32_t>(row / shape.count * shape.axis + from) : -1;
}

// One thread per element.
template <typename T, typename Number>
__global__ void ramp_kernel(T* out, int64_t size, Number begin, Number step) {
  const int64_t i = cuda::global_thread();
  if (i >= size) return;
  const Number value = begin + static_cast<Number>(i) * step;
  if constexpr (sizeof(T) == 2) {
    out[i] = cuda::narrow<T>(static_cast<float>(value));
  } else {
    out[i] = static_cast<T>(value);
  }
}

}  // namespace

template <typename Word>
void gather(OnCuda on, Word* out, const Word* target, const int64_t* index,
            const IndexLines& shape) {
  cuda::launch(gather_kernel<Word>, cuda::thread_each(on, shape.number_of_lines * shape.count), out,
               target, index, shape);
}

template <typename Word>
void scatter(OnCuda on, Word* target, const Word* in, const int64_t* index,
             const IndexLines& shape) {
  cuda::launch(scatter_kernel<Word>, cuda::thread_each(on, shape.number_of_lines), target, in,
               index, shape);
}

void target_positions(OnCuda on, int32_t* positions, const int64_t* index,
                      const IndexLines& shape) {
  cuda::launch(target_positions_kernel, cuda::thread_each(on, shape.number_of_lines * shape.count),
               positions, index, shape);
}

template <typename Word>
void index_select(OnCuda on, Word* out, const Word* in, const int64_t* index,
                  const SelectShape& shape) {
  cuda::launch(index_select_kernel<Word>,
               cuda::thread_each(on, shape.outer * shape.count * shape.inner), out, in, index,
               shape);
}

void select_positions(OnCuda on, int32_t* rows, const int64_t* index, const SelectShape& shape) {
  cuda::launch(select_positions_kernel, cuda::thread_each(on, shape.outer * shape.count), rows,
               index, shape);
}

template <typename T, typename Number>
void ramp(OnCuda on, T* out, int64_t size, Number begin, Number step) {
  cuda::launch(ramp_kernel<T, Number>, cuda::thread_each(on, size), out, size, begin, step);
}

#define RIPIENO_INDEXING(Word)                                                          \
  template void gather(OnCuda, Word*, const Word*, const int64_t*, const IndexLines&);  \
  template void scatter(OnCuda, Word*, const Word*, const int64_t*, const IndexLines&); \
  template void index_select(OnCuda, Word*, const Word*, const int64_t*, const SelectShape&)

RIPIENO_INDEXING(uint8_t);
RIPIENO_INDEXING(uint16_t);
RIPIENO_INDEXING(uint32_t);
RIPIENO_INDEXING(uint64_t);

#undef RIPIENO_INDEXING

template void ramp(OnCuda, float*, int64_t, double, double);
template void ramp(OnCuda, double*, int64_t, double, double);
template void ramp(OnCuda, bfloat16*, int64_t, double, double);
template void ramp(OnCuda, float16*, int64_t, double, double);
template void ramp(OnCuda, int64_t*, int64_t, int64_t, int64_t);
template void ramp(OnCuda, int32_t*, int64_t, int64_t, int64_t);
template void ramp(OnCuda, uint8_t*, int64_t, int64_t, int64_t);

}  // namespace ripieno::kernels
