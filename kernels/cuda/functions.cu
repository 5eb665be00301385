#include "ripieno/kernels/cuda/device/device.cuh"
#include "ripieno/kernels/cuda/device/formulas.cuh"
#include "ripieno/kernels/functions.h"

namespace ripieno::kernels {
namespace {

// A formula is chosen once per thread, outside the loop over the elements of its vector.

// One thread per vector, here and below; size is a multiple of the width.
template <int width, typename T>
__global__ void function_kernel(T* out, const T* in, int64_t size, Function function,
                                accumulator_t<T> p, accumulator_t<T> q) {
  const int64_t first = cuda::global_thread() * width;
  if (first >= size) return;
  auto x = cuda::load<width>(in + first);
  formulas::with_function<cuda::Math>(function, [&](auto formula) {
    cuda::unrolled<width>(
        [&](int k) { x[k] = cuda::narrow<T>(formula.value(cuda::widen(x[k]), p, q)); });
  });
  cuda::store(out + first, x);
}

template <int width, typename T>
__global__ void function_backward_kernel(T* grad_in, const T* grad_out, const T* in, int64_t size,
                                         Function function, accumulator_t<T> p,
                                         accumulator_t<T> q) {
  const int64_t first = cuda::global_thread() * width;
  if (first >= size) return;
  auto gradient = cuda::load<width>(grad_out + first);
  const auto x = cuda::load<width>(in + first);
  formulas::with_function<cuda::Math>(function, [&](auto formula) {
    cuda::unrolled<width>([&](int k) {
      const auto slope = formula.derivative(cuda::widen(x[k]), p, q);
      gradient[k] = cuda::narrow<T>(cuda::widen(gradient[k]) * slope);
    });
  });
  cuda::store(grad_in + first, gradient);
}

template <int width, typename T>
__global__ void pair_kernel(T* out, const T* a, const T* b, int64_t size, Pair pair,
                            accumulator_t<T> p) {
  const int64_t first = cuda::global_thread() * width;
  if (first >= size) return;
  auto x = cuda::load<width>(a + first);
  const auto y = cuda::load<width>(b + first);
  formulas::with_pair<cuda::Math>(pair, [&](auto formula) {
    cuda::unrolled<width>([&](int k) {
      x[k] = cuda::narrow<T>(formula.value(cuda::widen(x[k]), cuda::widen(y[k]), p));
    });
  });
  cuda::store(out + first, x);
}

template <int width, bool by_b, typename T>
__global__ void pair_backward_kernel(T* grad_in, const T* grad_out, const T* a, const T* b,
                                     int64_t size, Pair pair, accumulator_t<T> p) {
  const int64_t first = cuda::global_thread() * width;
  if (first >= size) return;
  auto gradient = cuda::load<width>(grad_out + first);
  const auto x = cuda::load<width>(a + first), y = cuda::load<width>(b + first);
  formulas::with_pair<cuda::Math>(pair, [&](auto formula) {
    cuda::unrolled<width>([&](int k) {
      const auto left = cuda::widen(x[k]), right = cuda::widen(y[k]);
      const auto slope =
          by_b ? formula.derivative_by_b(left, right, p) : formula.derivative_by_a(left, right, p);
      gradient[k] = cuda::narrow<T>(cuda::widen(gradient[k]) * slope);
    });
  });
  cuda::store(grad_in + first, gradient);
}

// Half of a 16-byte vector of a 16-bit type, because each formula is unrolled to this width.
template <typename T>
constexpr int kWidth = std::min(cuda::kVectorSize<T>, 4);

// Calls start.operator()<width>(begin, size) for the part in vectors, and for the rest.
template <typename T, typename Start, typename... Arrays>
void in_vectors(int64_t size, const Start& start, const Arrays*... arrays) {
  const int64_t whole = cuda::is_aligned(arrays...) ? size / kWidth<T> * kWidth<T> : 0;
  start.template operator()<kWidth<T>>(int64_t{0}, whole);
  start.template operator()<1>(whole, size - whole);
}

}  // namespace

template <typename T>
void function_forward(OnCuda on, T* out, const T* in, int64_t size, const FunctionOf& function) {
  using A = accumulator_t<T>;
  const auto start = [&]<int width>(int64_t begin, int64_t count) {
    cuda::launch(function_kernel<width, T>, cuda::thread_each(on, count / width), out + begin,
                 in + begin, count, function.function, static_cast<A>(function.p),
                 static_cast<A>(function.q));
  };
  in_vectors<T>(size, start, out, in);
}

template <typename T>
void function_backward(OnCuda on, T* grad_in, const T* grad_out, const T* in, int64_t size,
                       const FunctionOf& function) {
  using A = accumulator_t<T>;
  const auto start = [&]<int width>(int64_t begin, int64_t count) {
    cuda::launch(function_backward_kernel<width, T>, cuda::thread_each(on, count / width),
                 grad_in + begin, grad_out + begin, in + begin, count, function.function,
                 static_cast<A>(function.p), static_cast<A>(function.q));
  };
  in_vectors<T>(size, start, grad_in, grad_out, in);
}

template <typename T>
void pair_forward(OnCuda on, T* out, const T* a, const T* b, int64_t size, Pair pair, double p) {
  const auto start = [&]<int width>(int64_t begin, int64_t count) {
    cuda::launch(pair_kernel<width, T>, cuda::thread_each(on, count / width), out + begin,
                 a + begin, b + begin, count, pair, static_cast<accumulator_t<T>>(p));
  };
  in_vectors<T>(size, start, out, a, b);
}

template <typename T>
void pair_backward(OnCuda on, T* grad_in, const T* grad_out, const T* a, const T* b, int64_t size,
                   Pair pair, bool by_b, double p) {
  const auto start = [&]<int width>(int64_t begin, int64_t count) {
    const auto kernel =
        by_b ? pair_backward_kernel<width, true, T> : pair_backward_kernel<width, false, T>;
    cuda::launch(kernel, cuda::thread_each(on, count / width), grad_in + begin, grad_out + begin,
                 a + begin, b + begin, count, pair, static_cast<accumulator_t<T>>(p));
  };
  in_vectors<T>(size, start, grad_in, grad_out, a, b);
}

#define RIPIENO_FUNCTIONS_OF(T)                                                                \
  template void function_forward(OnCuda, T*, const T*, int64_t, const FunctionOf&);            \
  template void function_backward(OnCuda, T*, const T*, const T*, int64_t, const FunctionOf&); \
  template void pair_forward(OnCuda, T*, const T*, const T*, int64_t, Pair, double);           \
  template void pair_backward(OnCuda, T*, const T*, const T*, const T*, int64_t, Pair, bool, double)

RIPIENO_FUNCTIONS_OF(float);
RIPIENO_FUNCTIONS_OF(double);
RIPIENO_FUNCTIONS_OF(bfloat16);
RIPIENO_FUNCTIONS_OF(float16);

#undef RIPIENO_FUNCTIONS_OF

}  // namespace ripieno::kernels
