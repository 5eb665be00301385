#include "ripieno/kernels/compare.h"
#include "ripieno/kernels/cuda/device/device.cuh"

namespace ripieno::kernels {
namespace {

template <typename T>
__device__ auto number(T value) {
  if constexpr (sizeof(T) == 2) {
    return cuda::widen(value);
  } else {
    return value;
  }
}

// One thread per element, here and below.
template <typename T>
__global__ void compare_kernel(bool* out, const T* a, const T* b, int64_t step_b, int64_t size,
                               Comparison comparison) {
  const int64_t i = cuda::global_thread();
  if (i < size) out[i] = formulas::compared(comparison, number(a[i]), number(b[i * step_b]));
}

template <typename Word>
__global__ void select_kernel(Word* out, const bool* condition, const Word* a, int64_t step_a,
                              const Word* b, int64_t step_b, int64_t size) {
  const int64_t i = cuda::global_thread();
  if (i < size) out[i] = condition[i] ? a[i * step_a] : b[i * step_b];
}

template <typename T>
__global__ void integer_kernel(T* out, const T* a, const T* b, int64_t step_b, int64_t size,
                               IntegerOperation op) {
  const int64_t i = cuda::global_thread();
  if (i < size) out[i] = formulas::integer_result(op, a[i], b[i * step_b]);
}

}  // namespace

template <typename T>
void compare(OnCuda on, bool* out, const T* a, const T* b, bool repeats_b, int64_t size,
             Comparison comparison) {
  cuda::launch(compare_kernel<T>, cuda::thread_each(on, size), out, a, b, repeats_b ? 0 : 1, size,
               comparison);
}

template <typename Word>
void select(OnCuda on, Word* out, const bool* condition, const Word* a, bool repeats_a,
            const Word* b, bool repeats_b, int64_t size) {
  cuda::launch(select_kernel<Word>, cuda::thread_each(on, size), out, condition, a,
               repeats_a ? 0 : 1, b, repeats_b ? 0 : 1, size);
}

template <typename T>
void integer_binary(OnCuda on, T* out, const T* a, const T* b, bool repeats_b, int64_t size,
                    IntegerOperation op) {
  cuda::launch(integer_kernel<T>, cuda::thread_each(on, size), out, a, b, repeats_b ? 0 : 1, size,
               op);
}

#define RIPIENO_COMPARE(T) \
  template void compare(OnCuda, bool*, const T*, const T*, bool, int64_t, Comparison)
#define RIPIENO_SELECT(Word) \
  template void select(OnCuda, Word*, const bool*, const Word*, bool, const Word*, bool, int64_t)
#define RIPIENO_INTEGER_BINARY(T) \
  template void integer_binary(OnCuda, T*, const T*, const T*, bool, int64_t, IntegerOperation)

RIPIENO_COMPARE(float);
RIPIENO_COMPARE(double);
RIPIENO_COMPARE(bfloat16);
RIPIENO_COMPARE(float16);
RIPIENO_COMPARE(int64_t);
RIPIENO_COMPARE(int32_t);
RIPIENO_COMPARE(uint8_t);
RIPIENO_SELECT(uint8_t);
RIPIENO_SELECT(uint16_t);
RIPIENO_SELECT(uint32_t);
RIPIENO_SELECT(uint64_t);
RIPIENO_INTEGER_BINARY(int64_t);
RIPIENO_INTEGER_BINARY(int32_t);
RIPIENO_INTEGER_BINARY(uint8_t);

#undef RIPIENO_COMPARE
#undef RIPIENO_SELECT
#undef RIPIENO_INTEGER_BINARY

}  // namespace ripieno::kernels
