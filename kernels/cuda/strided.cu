#include "ripieno/kernels/cuda/device/formulas.cuh"
#include "ripieno/kernels/elementwise.h"

namespace ripieno::kernels {
namespace {

// Offsets of an output element's operands.
struct Offsets {
  int64_t a = 0, b = 0;
};

__device__ Offsets offsets_of(int64_t element, const StridedShape& shape) {
  Offsets offsets;
  for (int axis = shape.rank - 1; axis >= 0; --axis) {
    const int64_t index = element % shape.sizes[axis];
    element /= shape.sizes[axis];
    offsets.a += index * shape.strides_a[axis];
    offsets.b += index * shape.strides_b[axis];
  }
  return offsets;
}

int64_t size_of(const StridedShape& shape) {
  int64_t size = 1;
  for (int axis = 0; axis < shape.rank; ++axis) size *= shape.sizes[axis];
  return size;
}

// Whether the operand can be read in vectors along the last axis.
template <int width, typename T>
bool is_vectorizable(const T* operand, const int64_t* strides, const StridedShape& shape) {
  const int last = shape.rank - 1;
  if (last < 0 || shape.sizes[last] % width != 0 || strides[last] != 1) return false;
  for (int axis = 0; axis < last; ++axis) {
    if (strides[axis] % width != 0) return false;
  }
  return cuda::is_aligned(operand);
}

// The same, or whether the operand is broadcast along the last axis.
template <int width, typename T>
bool is_vectorizable_or_broadcast(const T* operand, const int64_t* strides,
                                  const StridedShape& shape) {
  const int last = shape.rank - 1;
  if (last >= 0 && shape.sizes[last] % width == 0 && strides[last] == 0) return true;
  return is_vectorizable<width>(operand, strides, shape);
}

template <int width, typename T>
__device__ cuda::Vector<T, width> load_or_repeat(const T* operand, bool repeats) {
  if (width == 1 || !repeats) return cuda::load<width>(operand);
  cuda::Vector<T, width> vector;
  cuda::unrolled<width>([&](int k) { vector[k] = *operand; });
  return vector;
}

// One thread per vector of the output, here and below.
template <int width, typename T>
__global__ void binary_strided_kernel(T* out, const T* a, const T* b, StridedShape shape,
                                      int64_t size, Binary op) {
  const int64_t i = cuda::global_thread() * width;
  if (i >= size) return;
  const Offsets at = offsets_of(i, shape);
  const int last = shape.rank - 1;
  const auto left = load_or_repeat<width>(a + at.a, width > 1 && shape.strides_a[last] == 0);
  const auto right = load_or_repeat<width>(b + at.b, width > 1 && shape.strides_b[last] == 0);
  cuda::Vector<T, width> result;
  cuda::unrolled<width>([&](int k) {
    result[k] = cuda::narrow<T>(
        formulas::value_of<cuda::Math>(op, cuda::widen(left[k]), cuda::widen(right[k])));
  });
  cuda::store(out + i, result);
}

template <int width, typename Word>
__global__ void copy_strided_kernel(Word* out, const Word* a, StridedShape shape, int64_t size) {
  const int64_t i = cuda::global_thread() * width;
  if (i < size) cuda::store(out + i, cuda::load<width>(a + offsets_of(i, shape).a));
}

template <int width, typename Word>
__global__ void copy_to_strided_kernel(Word* out, const Word* in, StridedShape shape,
                                       int64_t size) {
  const int64_t i = cuda::global_thread() * width;
  if (i < size) cuda::store(out + offsets_of(i, shape).a, cuda::load<width>(in + i));
}

}  // namespace

template <typename T>
void binary_strided(OnCuda on, T* out, const T* a, const T* b, const StridedShape& shape,
                    Binary op) {
  constexpr int kWidth = cuda::kVectorSize<T>;
  const int64_t size = size_of(shape);
  if (cuda::is_aligned(out) && is_vectorizable_or_broadcast<kWidth>(a, shape.strides_a, shape) &&
      is_vectorizable_or_broadcast<kWidth>(b, shape.strides_b, shape)) {
    cuda::launch(binary_strided_kernel<kWidth, T>, cuda::thread_each(on, size / kWidth), out, a, b,
                 shape, size, op);
  } else {
    cuda::launch(binary_strided_kernel<1, T>, cuda::thread_each(on, size), out, a, b, shape, size,
                 op);
  }
}

template <typename Word>
void copy_strided(OnCuda on, Word* out, const Word* a, const StridedShape& shape) {
  constexpr int kWidth = cuda::kVectorSize<Word>;
  const int64_t size = size_of(shape);
  if (cuda::is_aligned(out) && is_vectorizable<kWidth>(a, shape.strides_a, shape)) {
    cuda::launch(copy_strided_kernel<kWidth, Word>, cuda::thread_each(on, size / kWidth), out, a,
                 shape, size);
  } else {
    cuda::launch(copy_strided_kernel<1, Word>, cuda::thread_each(on, size), out, a, shape, size);
  }
}

template <typename Word>
void copy_to_strided(OnCuda on, Word* out, const Word* in, const StridedShape& shape) {
  constexpr int kWidth = cuda::kVectorSize<Word>;
  const int64_t size = size_of(shape);
  if (cuda::is_aligned(in) && is_vectorizable<kWidth>(out, shape.strides_a, shape)) {
    cuda::launch(copy_to_strided_kernel<kWidth, Word>, cuda::thread_each(on, size / kWidth), out,
                 in, shape, size);
  } else {
    cuda::launch(copy_to_strided_kernel<1, Word>, cuda::thread_each(on, size), out, in, shape,
                 size);
  }
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
