#include "ripieno/kernels/functions.h"

#include <algorithm>

#include "ripieno/kernels/cpu/support/convert.h"
#include "ripieno/kernels/cpu/support/math.h"
#include "ripieno/kernels/cpu/support/parallel.h"
#include "ripieno/kernels/element_types.h"

namespace ripieno::kernels {
namespace {

// Formulas are compiled for float and double only: 16-bit types are converted a tile at a time,
// which stays in the first cache.
constexpr int64_t kTile = 512;

template <typename T>
void widen(accumulator_t<T>* out, const T* in, int64_t size) {
#pragma omp simd
  for (int64_t i = 0; i < size; ++i) out[i] = accumulator_t<T>(in[i]);
}

template <typename A>
void compute(A* x, int64_t size, const FunctionOf& function) {
  const A p = static_cast<A>(function.p), q = static_cast<A>(function.q);
  formulas::with_function<cpu::Math>(function.function, [=](auto formula) {
#pragma omp simd
    for (int64_t i = 0; i < size; ++i) x[i] = formula.value(x[i], p, q);
  });
}

template <typename A>
void multiply_by_derivative(A* gradient, const A* x, int64_t size, const FunctionOf& function) {
  const A p = static_cast<A>(function.p), q = static_cast<A>(function.q);
  formulas::with_function<cpu::Math>(function.function, [=](auto formula) {
#pragma omp simd
    for (int64_t i = 0; i < size; ++i) gradient[i] *= formula.derivative(x[i], p, q);
  });
}

template <typename A>
void compute(A* a, const A* b, int64_t size, Pair pair, A p) {
  formulas::with_pair<cpu::Math>(pair, [=](auto formula) {
#pragma omp simd
    for (int64_t i = 0; i < size; ++i) a[i] = formula.value(a[i], b[i], p);
  });
}

template <typename A>
void multiply_by_derivative(A* gradient, const A* a, const A* b, int64_t size, Pair pair, bool by_b,
                            A p) {
  formulas::with_pair<cpu::Math>(pair, [=](auto formula) {
    if (by_b) {
#pragma omp simd
      for (int64_t i = 0; i < size; ++i) gradient[i] *= formula.derivative_by_b(a[i], b[i], p);
    } else {
#pragma omp simd
      for (int64_t i = 0; i < size; ++i) gradient[i] *= formula.derivative_by_a(a[i], b[i], p);
    }
  });
}

// out[i] = what body(numbers, in...) leaves in numbers, which begin as first[i]; numbers and the
// other inputs are tiles of the accumulator's type.
template <typename T, typename Body, typename... In>
void for_each_tile(T* out, int64_t size, const Body& body, const T* first, const In*... in) {
  using A = accumulator_t<T>;
  cpu::for_each_block(size, [&](int64_t begin, int64_t end) {
    for (int64_t at = begin; at < end; at += kTile) {
      const int64_t count = std::min(kTile, end - at);
      A tiles[1 + sizeof...(In)][kTile];
      widen(tiles[0], first + at, count);
      int next = 1;
      (widen(tiles[next++], in + at, count), ...);
      body(tiles, count);
#pragma omp simd
      for (int64_t i = 0; i < count; ++i) out[at + i] = cpu::convert<T>(tiles[0][i]);
    }
  });
}

}  // namespace

template <typename T>
void function_forward(OnCpu, T* out, const T* in, int64_t size, const FunctionOf& function) {
  for_each_tile(
      out, size, [&](auto& tiles, int64_t count) { compute(tiles[0], count, function); }, in);
}

template <typename T>
void function_backward(OnCpu, T* grad_in, const T* grad_out, const T* in, int64_t size,
                       const FunctionOf& function) {
  for_each_tile(
      grad_in, size,
      [&](auto& tiles, int64_t count) {
        multiply_by_derivative(tiles[0], tiles[1], count, function);
      },
      grad_out, in);
}

template <typename T>
void pair_forward(OnCpu, T* out, const T* a, const T* b, int64_t size, Pair pair, double p) {
  for_each_tile(
      out, size,
      [&](auto& tiles, int64_t count) {
        compute(tiles[0], tiles[1], count, pair, static_cast<accumulator_t<T>>(p));
      },
      a, b);
}

template <typename T>
void pair_backward(OnCpu, T* grad_in, const T* grad_out, const T* a, const T* b, int64_t size,
                   Pair pair, bool by_b, double p) {
  for_each_tile(
      grad_in, size,
      [&](auto& tiles, int64_t count) {
        multiply_by_derivative(tiles[0], tiles[1], tiles[2], count, pair, by_b,
                               static_cast<accumulator_t<T>>(p));
      },
      grad_out, a, b);
}

#define RIPIENO_FUNCTIONS_OF(T)                                                               \
  template void function_forward(OnCpu, T*, const T*, int64_t, const FunctionOf&);            \
  template void function_backward(OnCpu, T*, const T*, const T*, int64_t, const FunctionOf&); \
  template void pair_forward(OnCpu, T*, const T*, const T*, int64_t, Pair, double);           \
  template void pair_backward(OnCpu, T*, const T*, const T*, const T*, int64_t, Pair, bool, double)

RIPIENO_FUNCTIONS_OF(float);
RIPIENO_FUNCTIONS_OF(double);
RIPIENO_FUNCTIONS_OF(bfloat16);
RIPIENO_FUNCTIONS_OF(float16);

#undef RIPIENO_FUNCTIONS_OF

}  // namespace ripieno::kernels
