#include "ripieno/kernels/cuda/elementwise.cuh"
#include "ripieno/kernels/elementwise.h"

namespace ripieno::kernels {
namespace {

// Where the operands of an output's element lie.
struct Places {
  int64_t a = 0, b = 0;
};

__device__ Places places_of(int64_t element, const StridedShape& shape) {
  Places places;
  for (int axis = shape.rank - 1; axis >= 0; --axis) {
    const int64_t index = element % shape.sizes[axis];
    element /= shape.sizes[axis];
    places.a += index * shape.strides_a[axis];
    places.b += index * shape.strides_b[axis];
  }
  return places;
}

int64_t size_of(const StridedShape& shape) {
  int64_t size = 1;
  for (int axis = 0; axis < shape.rank; ++axis) size *= shape.sizes[axis];
  return size;
}

// One thread an element of the output, here and below.
template <typename T>
__global__ void binary_strided_kernel(T* out, const T* a, const T* b, StridedShape shape,
                                      int64_t size, Binary op) {
  const int64_t i = cuda::global_thread();
  if (i >= size) return;
  const Places at = places_of(i, shape);
  out[i] = static_cast<T>(cuda::apply(op, cuda::widen(a[at.a]), cuda::widen(b[at.b])));
}

template <typename Word>
__global__ void copy_strided_kernel(Word* out, const Word* a, StridedShape shape, int64_t size) {
  const int64_t i = cuda::global_thread();
  if (i < size) out[i] = a[places_of(i, shape).a];
}

template <typename Word>
__global__ void copy_to_strided_kernel(Word* out, const Word* in, StridedShape shape,
                                       int64_t size) {
  const int64_t i = cuda::global_thread();
  if (i < size) out[places_of(i, shape).a] = in[i];
}

}  // namespace

template <typename T>
void binary_strided(OnCuda on, T* out, const T* a, const T* b, const StridedShape& shape,
                    Binary op) {
  const int64_t size = size_of(shape);
  cuda::launch(binary_strided_kernel<T>, cuda::thread_each(on, size), out, a, b, shape, size, op);
}

template <typename Word>
void copy_strided(OnCuda on, Word* out, const Word* a, const StridedShape& shape) {
  const int64_t size = size_of(shape);
  cuda::launch(copy_strided_kernel<Word>, cuda::thread_each(on, size), out, a, shape, size);
}

template <typename Word>
void copy_to_strided(OnCuda on, Word* out, const Word* in, const StridedShape& shape) {
  const int64_t size = size_of(shape);
  cuda::launch(copy_to_strided_kernel<Word>, cuda::thread_each(on, size), out, in, shape, size);
}

template void binary_strided(OnCuda, float*, const float*, const float*, const StridedShape&,
                             Binary);
template void binary_strided(OnCuda, double*, const double*, const double*, const StridedShape&,
                             Binary);
template void binary_strided(OnCuda, bfloat16*, const bfloat16*, const bfloat16*,
                             const StridedShape&, Binary);
template void binary_strided(OnCuda, float16*, const float16*, const float16*, const StridedShape&,
                             Binary);

template void copy_strided(OnCuda, uint8_t*, const uint8_t*, const StridedShape&);
template void copy_strided(OnCuda, uint16_t*, const uint16_t*, const StridedShape&);
template void copy_strided(OnCuda, uint32_t*, const uint32_t*, const StridedShape&);
template void copy_strided(OnCuda, uint64_t*, const uint64_t*, const StridedShape&);

template void copy_to_strided(OnCuda, uint8_t*, const uint8_t*, const StridedShape&);
template void copy_to_strided(OnCuda, uint16_t*, const uint16_t*, const StridedShape&);
template void copy_to_strided(OnCuda, uint32_t*, const uint32_t*, const StridedShape&);
template void copy_to_strided(OnCuda, uint64_t*, const uint64_t*, const StridedShape&);

}  // namespace ripieno::kernels
