#include "ripieno/kernels/elementwise.h"

#include <algorithm>

#include "ripieno/kernels/cpu/support/convert.h"
#include "ripieno/kernels/cpu/support/math.h"
#include "ripieno/kernels/cpu/support/parallel.h"
#include "ripieno/kernels/element_types.h"

namespace ripieno::kernels {

template <typename T>
void unary(OnCpu, T* out, const T* in, int64_t size, Unary op) {
  using A = accumulator_t<T>;
  formulas::with_unary<cpu::Math>(op, [&](auto formula) {
    cpu::for_each_block(size, [&](int64_t begin, int64_t end) {
#pragma omp simd
      for (int64_t i = begin; i < end; ++i) out[i] = cpu::convert<T>(formula.value(A(in[i])));
    });
  });
}

template <typename T>
void unary_backward(OnCpu, T* grad_in, const T* grad_out, const T* in, int64_t size, Unary op) {
  using A = accumulator_t<T>;
  formulas::with_unary<cpu::Math>(op, [&](auto formula) {
    cpu::for_each_block(size, [&](int64_t begin, int64_t end) {
#pragma omp simd
      for (int64_t i = begin; i < end; ++i) {
        grad_in[i] = cpu::convert<T>(A(grad_out[i]) * formula.derivative(A(in[i])));
      }
    });
  });
}

template <typename T>
void binary(OnCpu, T* out, const T* a, const T* b, int64_t size, Binary op) {
  using A = accumulator_t<T>;
  formulas::with_binary<cpu::Math>(op, [&](auto formula) {
    cpu::for_each_block(size, [&](int64_t begin, int64_t end) {
#pragma omp simd
      for (int64_t i = begin; i < end; ++i)
        out[i] = cpu::convert<T>(formula.value(A(a[i]), A(b[i])));
    });
  });
}

template <typename T>
void affine(OnCpu, T* out, const T* in, int64_t size, double scale, double shift) {
  using A = accumulator_t<T>;
  const A factor = static_cast<A>(scale), offset = static_cast<A>(shift);
  cpu::for_each_block(size, [&](int64_t begin, int64_t end) {
#pragma omp simd
    for (int64_t i = begin; i < end; ++i) out[i] = cpu::convert<T>(factor * A(in[i]) + offset);
  });
}

template <typename T>
void fill(OnCpu, T* out, int64_t size, T value) {
  cpu::for_each_block(
      size, [&](int64_t begin, int64_t end) { std::fill(out + begin, out + end, value); });
}

template void unary(OnCpu, float*, const float*, int64_t, Unary);
template void unary(OnCpu, double*, const double*, int64_t, Unary);
template void unary(OnCpu, bfloat16*, const bfloat16*, int64_t, Unary);
template void unary(OnCpu, float16*, const float16*, int64_t, Unary);

template void unary_backward(OnCpu, float*, const float*, const float*, int64_t, Unary);
template void unary_backward(OnCpu, double*, const double*, const double*, int64_t, Unary);
template void unary_backward(OnCpu, bfloat16*, const bfloat16*, const bfloat16*, int64_t, Unary);
template void unary_backward(OnCpu, float16*, const float16*, const float16*, int64_t, Unary);

template void binary(OnCpu, float*, const float*, const float*, int64_t, Binary);
template void binary(OnCpu, double*, const double*, const double*, int64_t, Binary);
template void binary(OnCpu, bfloat16*, const bfloat16*, const bfloat16*, int64_t, Binary);
template void binary(OnCpu, float16*, const float16*, const float16*, int64_t, Binary);

template void affine(OnCpu, float*, const float*, int64_t, double, double);
template void affine(OnCpu, double*, const double*, int64_t, double, double);
template void affine(OnCpu, bfloat16*, const bfloat16*, int64_t, double, double);
template void affine(OnCpu, float16*, const float16*, int64_t, double, double);

template void fill(OnCpu, float*, int64_t, float);
template void fill(OnCpu, double*, int64_t, double);
template void fill(OnCpu, bfloat16*, int64_t, bfloat16);
template void fill(OnCpu, float16*, int64_t, float16);
template void fill(OnCpu, int64_t*, int64_t, int64_t);
template void fill(OnCpu, int32_t*, int64_t, int32_t);
template void fill(OnCpu, uint8_t*, int64_t, uint8_t);
template void fill(OnCpu, bool*, int64_t, bool);

}  // namespace ripieno::kernels
