#include "ripieno/kernels/cuda/device/map.cuh"
#include "ripieno/kernels/cuda/elementwise.cuh"
#include "ripieno/kernels/elementwise.h"

namespace ripieno::kernels {
namespace {

template <typename A>
__device__ A apply(Unary op, A x) {
  switch (op) {
    case Unary::kNegate:
      return -x;
    case Unary::kExp:
      return std::exp(x);
    case Unary::kLog:
      return std::log(x);
    case Unary::kSqrt:
      return std::sqrt(x);
    case Unary::kTanh:
      return std::tanh(x);
    case Unary::kSquare:
      return x * x;
    default:
      return A(1) / x;
  }
}

template <typename A>
__device__ A tanh_slope(A x) {
  const A t = std::tanh(x);
  return A(1) - t * t;
}

template <typename A>
__device__ A slope(Unary op, A x) {
  switch (op) {
    case Unary::kNegate:
      return A(-1);
    case Unary::kExp:
      return std::exp(x);
    case Unary::kLog:
      return A(1) / x;
    case Unary::kSqrt:
      return A(0.5) / std::sqrt(x);
    case Unary::kTanh:
      return tanh_slope(x);
    case Unary::kSquare:
      return A(2) * x;
    default:
      return A(-1) / (x * x);
  }
}

template <typename T, Unary op>
struct Apply {
  __device__ T operator()(T x) const { return cuda::narrow<T>(apply(op, cuda::widen(x))); }
};

template <typename T, Unary op>
struct ApplyBackward {
  __device__ T operator()(T gradient, T x) const {
    return cuda::narrow<T>(cuda::widen(gradient) * slope(op, cuda::widen(x)));
  }
};

template <typename T, Binary op>
struct Combine {
  __device__ T operator()(T a, T b) const {
    return cuda::narrow<T>(cuda::apply(op, cuda::widen(a), cuda::widen(b)));
  }
};

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

// Calls body.operator()<op>(), so that a kernel need not ask for each element.
template <typename Body>
void for_unary(Unary op, Body body) {
  switch (op) {
    case Unary::kNegate:
      return body.template operator()<Unary::kNegate>();
    case Unary::kExp:
      return body.template operator()<Unary::kExp>();
    case Unary::kLog:
      return body.template operator()<Unary::kLog>();
    case Unary::kSqrt:
      return body.template operator()<Unary::kSqrt>();
    case Unary::kTanh:
      return body.template operator()<Unary::kTanh>();
    case Unary::kSquare:
      return body.template operator()<Unary::kSquare>();
    default:
      return body.template operator()<Unary::kReciprocal>();
  }
}

template <typename Body>
void for_binary(Binary op, Body body) {
  switch (op) {
    case Binary::kAdd:
      return body.template operator()<Binary::kAdd>();
    case Binary::kSubtract:
      return body.template operator()<Binary::kSubtract>();
    case Binary::kMultiply:
      return body.template operator()<Binary::kMultiply>();
    default:
      return body.template operator()<Binary::kDivide>();
  }
}

}  // namespace

template <typename T>
void unary(OnCuda on, T* out, const T* in, int64_t size, Unary op) {
  for_unary(op, [&]<Unary known>() { cuda::map(on, Apply<T, known>{}, size, out, in); });
}

template <typename T>
void unary_backward(OnCuda on, T* grad_in, const T* grad_out, const T* in, int64_t size, Unary op) {
  for_unary(op, [&]<Unary known>() {
    cuda::map(on, ApplyBackward<T, known>{}, size, grad_in, grad_out, in);
  });
}

template <typename T>
void binary(OnCuda on, T* out, const T* a, const T* b, int64_t size, Binary op) {
  for_binary(op, [&]<Binary known>() { cuda::map(on, Combine<T, known>{}, size, out, a, b); });
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
