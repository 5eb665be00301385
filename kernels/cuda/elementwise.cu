#include "ripieno/kernels/cuda/device/formulas.cuh"
#include "ripieno/kernels/cuda/device/map.cuh"
#include "ripieno/kernels/elementwise.h"

namespace ripieno::kernels {
namespace {

template <typename T>
struct Affine {
  accumulator_t<T> scale, shift;
  __device__ T operator()(T x) const { return cuda::narrow<T>(scale * cuda::widen(x) + shift); }
};

template <typename T>
struct Constant {
  T value;
  __device__ T operator()() const { return value; }
};

}  // namespace

template <typename T>
void unary(OnCuda on, T* out, const T* in, int64_t size, Unary op) {
  formulas::with_unary<cuda::Math>(op, [&]<typename Formula>(Formula) {
    cuda::map(on, cuda::Value<T, Formula>{}, size, out, in);
  });
}

template <typename T>
void unary_backward(OnCuda on, T* grad_in, const T* grad_out, const T* in, int64_t size, Unary op) {
  formulas::with_unary<cuda::Math>(op, [&]<typename Formula>(Formula) {
    cuda::map(on, cuda::TimesDerivative<T, Formula>{}, size, grad_in, grad_out, in);
  });
}

template <typename T>
void binary(OnCuda on, T* out, const T* a, const T* b, int64_t size, Binary op) {
  formulas::with_binary<cuda::Math>(op, [&]<typename Formula>(Formula) {
    cuda::map(on, cuda::Value<T, Formula>{}, size, out, a, b);
  });
}

template <typename T>
void affine(OnCuda on, T* out, const T* in, int64_t size, double scale, double shift) {
  using A = accumulator_t<T>;
  cuda::map(on, Affine<T>{static_cast<A>(scale), static_cast<A>(shift)}, size, out, in);
}

template <typename T>
void fill(OnCuda on, T* out, int64_t size, T value) {
  cuda::map(on, Constant<T>{value}, size, out);
}

template void unary(OnCuda, float*, const float*, int64_t, Unary);
template void unary(OnCuda, double*, const double*, int64_t, Unary);
template void unary(OnCuda, bfloat16*, const bfloat16*, int64_t, Unary);
template void unary(OnCuda, float16*, const float16*, int64_t, Unary);

template void unary_backward(OnCuda, float*, const float*, const float*, int64_t, Unary);
template void unary_backward(OnCuda, double*, const double*, const double*, int64_t, Unary);
template void unary_backward(OnCuda, bfloat16*, const bfloat16*, const bfloat16*, int64_t, Unary);
template void unary_backward(OnCuda, float16*, const float16*, const float16*, int64_t, Unary);

template void binary(OnCuda, float*, const float*, const float*, int64_t, Binary);
template void binary(OnCuda, double*, const double*, const double*, int64_t, Binary);
template void binary(OnCuda, bfloat16*, const bfloat16*, const bfloat16*, int64_t, Binary);
template void binary(OnCuda, float16*, const float16*, const float16*, int64_t, Binary);

template void affine(OnCuda, float*, const float*, int64_t, double, double);
template void affine(OnCuda, double*, const double*, int64_t, double, double);
template void affine(OnCuda, bfloat16*, const bfloat16*, int64_t, double, double);
template void affine(OnCuda, float16*, const float16*, int64_t, double, double);

template void fill(OnCuda, float*, int64_t, float);
template void fill(OnCuda, double*, int64_t, double);
template void fill(OnCuda, bfloat16*, int64_t, bfloat16);
template void fill(OnCuda, float16*, int64_t, float16);
template void fill(OnCuda, int64_t*, int64_t, int64_t);
template void fill(OnCuda, int32_t*, int64_t, int32_t);
template void fill(OnCuda, uint8_t*, int64_t, uint8_t);
template void fill(OnCuda, bool*, int64_t, bool);

}  // namespace ripieno::kernels
