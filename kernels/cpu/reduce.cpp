#include "ripieno/kernels/reduce.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "ripieno/kernels/cpu/support/math.h"
#include "ripieno/kernels/cpu/support/parallel.h"
#include "ripieno/kernels/cpu/support/rows.h"
#include "ripieno/kernels/element_types.h"

namespace ripieno::kernels {

namespace {

// Number of elements in one partial result along a contiguous axis.
constexpr int64_t kAxisChunk = 4096;
// Along a strided axis: number of rows in one partial sum, and of columns in one work item.
constexpr int64_t kRowChunk = 64;
constexpr int64_t kColumns = 128;

struct Sum {
  template <typename A>
  static constexpr A kEmpty = A(0);
  template <typename A>
  static A combine(A a, A b) {
    return a + b;
  }
};

struct Max {
  template <typename A>
  static constexpr A kEmpty = -std::numeric_limits<A>::infinity();
  template <typename A>
  static A combine(A a, A b) {
    return b > a || b != b ? b : a;  // NaN replaces a, and stays: no comparison with NaN is true
  }
};

struct Min {
  template <typename A>
  static constexpr A kEmpty = std::numeric_limits<A>::infinity();
  template <typename A>
  static A combine(A a, A b) {
    return b < a || b != b ? b : a;
  }
};

struct Product {
  template <typename A>
  static constexpr A kEmpty = A(1);
  template <typename A>
  static A combine(A a, A b) {
    return a * b;
  }
};

// Reduction of one chunk of a contiguous axis.
template <typename T, typename Reducer>
accumulator_t<T> reduce_chunk(const T* in, int64_t size, Reducer reducer) {
  using A = accumulator_t<T>;
  return cpu::reduce_row(
      size, reducer.template kEmpty<A>, [](A a, A b) { return Reducer::combine(a, b); },
      [in](int64_t i) { return A(in[i]); });
}

template <typename T, typename Reducer>
accumulator_t<T> reduce_contiguous(const T* in, int64_t size, Reducer reducer) {
  using A = accumulator_t<T>;
  A total = reducer.template kEmpty<A>;
  for (int64_t begin = 0; begin < size; begin += kAxisChunk) {
    total = reducer.combine(total,
                            reduce_chunk(in + begin, std::min(kAxisChunk, size - begin), reducer));
  }
  return total;
}

// The same on several threads: computes up to 256 chunks at a time and combines them in order.
template <typename T, typename Reducer>
accumulator_t<T> reduce_long(const T* in, int64_t size, Reducer reducer) {
  using A = accumulator_t<T>;
  constexpr int64_t kChunksAtOnce = 256;
  A total = reducer.template kEmpty<A>;
  for (int64_t begin = 0; begin < size; begin += kChunksAtOnce * kAxisChunk) {
    A partials[kChunksAtOnce];
    const int64_t span = std::min(kChunksAtOnce * kAxisChunk, size - begin);
    const int64_t chunks = (span + kAxisChunk - 1) / kAxisChunk;
    cpu::parallel_for(chunks, kAxisChunk, [&](int64_t chunk) {
      partials[chunk] = reduce_chunk(in + begin + chunk * kAxisChunk,
                                     std::min(kAxisChunk, span - chunk * kAxisChunk), reducer);
    });
    for (int64_t chunk = 0; chunk < chunks; ++chunk) {
      total = reducer.combine(total, partials[chunk]);
    }
  }
  return total;
}

// results[c] = reduction over a of in[a * inner + c].   columns <= kColumns.
template <typename T, typename Reducer>
void reduce_columns(accumulator_t<T>* results, const T* in, int64_t axis, int64_t inner,
                    int64_t columns, Reducer reducer) {
  using A = accumulator_t<T>;
  std::fill_n(results, columns, reducer.template kEmpty<A>);
  for (int64_t begin = 0; begin < axis; begin += kRowChunk) {
    A partial[kColumns];
    std::fill_n(partial, columns, reducer.template kEmpty<A>);
    for (int64_t a = begin; a < std::min(axis, begin + kRowChunk); ++a) {
      const T* row = in + a * inner;
#pragma omp simd
      for (int64_t c = 0; c < columns; ++c) partial[c] = reducer.combine(partial[c], A(row[c]));
    }
    for (int64_t c = 0; c < columns; ++c) results[c] = reducer.combine(results[c], partial[c]);
  }
}

template <typename T, typename Reducer>
void reduce_with(T* out, const T* in, const ReduceShape& shape, Reducer reducer, double scale,
                 bool accumulate) {
  const int64_t outer = shape.outer, axis = shape.axis, inner = shape.inner;
  using A = accumulator_t<T>;
  const auto write = [=](T& to, A value) {
    value *= static_cast<A>(scale);
    to = T(accumulate ? A(to) + value : value);
  };
  if (inner == 1 && outer == 1) {
    write(out[0], reduce_long(in, axis, reducer));
  } else if (inner == 1) {
    cpu::for_each_row(outer, axis, [&](int64_t o) {
      write(out[o], reduce_contiguous(in + o * axis, axis, reducer));
    });
  } else {
    const int64_t blocks = (inner + kColumns - 1) / kColumns;
    cpu::parallel_for(outer * blocks, axis * std::min(inner, kColumns), [&](int64_t item) {
      const int64_t o = item / blocks, begin = item % blocks * kColumns;
      const int64_t columns = std::min(kColumns, inner - begin);
      A results[kColumns];
      reduce_columns(results, in + o * axis * inner + begin, axis, inner, columns, reducer);
      for (int64_t c = 0; c < columns; ++c) write(out[o * inner + begin + c], results[c]);
    });
  }
}

// The sum over z = x[a * inner] - center, in chunks so that it is exact enough for a long axis.
template <typename T, typename Term>
T sum_along(const T* x, T center, int64_t axis, int64_t inner, const Term& term) {
  T total = 0;
  for (int64_t begin = 0; begin < axis; begin += kAxisChunk) {
    const int64_t size = std::min(kAxisChunk, axis - begin);
    const T* const chunk = x + begin * inner;
    if (inner == 1) {
      total += cpu::row_sum<T>(size, [&](int64_t a) { return term(chunk[a] - center); });
      continue;
    }
    T sum = 0;
    for (int64_t a = 0; a < size; ++a) sum += term(chunk[a * inner] - center);
    total += sum;
  }
  return total;
}

template <typename T>
double squares(const T* in, int64_t size) {
  return cpu::row_sum<double>(size, [in](int64_t i) {
    const double x = static_cast<double>(static_cast<accumulator_t<T>>(in[i]));
    return x * x;
  });
}

}  // namespace

int64_t reduce_workspace(OnCpu, const ReduceShape&) { return 0; }

template <typename T>
void reduce(OnCpu, T* out, const T* in, void* /*workspace*/, const ReduceShape& shape,
            Reduction reduction, double scale, bool accumulate) {
  switch (reduction) {
    case Reduction::kSum:
      return reduce_with(out, in, shape, Sum{}, scale, accumulate);
    case Reduction::kMax:
      return reduce_with(out, in, shape, Max{}, scale, accumulate);
    case Reduction::kMin:
      return reduce_with(out, in, shape, Min{}, scale, accumulate);
    case Reduction::kProduct:
      return reduce_with(out, in, shape, Product{}, scale, accumulate);
  }
}

template <typename T>
void reduce_max_backward(OnCpu, T* grad_in, const T* grad_out, const T* in, const T* out,
                         const ReduceShape& shape) {
  const int64_t outer = shape.outer, axis = shape.axis, inner = shape.inner;
  using A = accumulator_t<T>;
  cpu::parallel_for(outer, axis * inner, [&](int64_t o) {
    for (int64_t i = 0; i < inner; ++i) {
      const A largest = A(out[o * inner + i]);
      bool found = false;
      for (int64_t a = 0; a < axis; ++a) {
        const int64_t at = (o * axis + a) * inner + i;
        const A x = A(in[at]);
        const bool first = !found && (x == largest || (x != x && largest != largest));
        grad_in[at] = first ? grad_out[o * inner + i] : T(A(0));
        found = found || first;
      }
    }
  });
}

template <typename T>
void reduce_product_backward(OnCpu, T* grad_in, const T* grad_out, const T* in,
                             const ReduceShape& shape) {
  const int64_t axis = shape.axis, inner = shape.inner;
  using A = accumulator_t<T>;
  cpu::parallel_for(shape.outer * inner, axis, [&](int64_t output) {
    const int64_t first = output / inner * axis * inner + output % inner;
    // The product of the elements that are not zero; with one zero, only that has a gradient.
    A product = A(grad_out[output]);
    int64_t zeros = 0;
    for (int64_t a = 0; a < axis; ++a) {
      const A x = A(in[first + a * inner]);
      if (x == A(0)) ++zeros;
      product *= x == A(0) ? A(1) : x;
    }
    for (int64_t a = 0; a < axis; ++a) {
      const A x = A(in[first + a * inner]);
      const A others = zeros == 0 ? product / x : zeros == 1 && x == A(0) ? product : A(0);
      grad_in[first + a * inner] = T(others);
    }
  });
}

template <typename T>
void sum_of(OnCpu, T* out, const T* in, const T* center, const ReduceShape& shape, Summand summand,
            double p) {
  const int64_t axis = shape.axis, inner = shape.inner;
  const auto add_up = [&](const auto& term) {
    cpu::parallel_for(shape.outer * inner, axis, [&](int64_t output) {
      const T* const x = in + output / inner * axis * inner + output % inner;
      out[output] = sum_along(x, center ? center[output] : T(0), axis, inner, term);
    });
  };
  const T exponent = static_cast<T>(p);
  switch (summand) {
    case Summand::kMagnitude:
      return add_up([](T z) { return std::fabs(z); });
    case Summand::kSquare:
      return add_up([](T z) { return z * z; });
    case Summand::kPower:
      return add_up([=](T z) { return std::pow(std::fabs(z), exponent); });
    case Summand::kExp:
      return add_up([](T z) { return cpu::exp(z); });
  }
}

template <typename T>
void sum_of_squares(OnCpu, double* out, double* partials, const T* in, int64_t size) {
  const int64_t chunks = (size + kSumChunk - 1) / kSumChunk;
  cpu::parallel_for(chunks, kSumChunk, [&](int64_t chunk) {
    const int64_t begin = chunk * kSumChunk;
    partials[chunk] = squares(in + begin, std::min(kSumChunk, size - begin));
  });
  double total = 0;
  for (int64_t chunk = 0; chunk < chunks; ++chunk) total += partials[chunk];
  *out = total;
}

template void reduce(OnCpu, float*, const float*, void*, const ReduceShape&, Reduction, double,
                     bool);
template void reduce(OnCpu, double*, const double*, void*, const ReduceShape&, Reduction, double,
                     bool);
template void reduce(OnCpu, bfloat16*, const bfloat16*, void*, const ReduceShape&, Reduction,
                     double, bool);
template void reduce(OnCpu, float16*, const float16*, void*, const ReduceShape&, Reduction, double,
                     bool);

template void reduce_max_backward(OnCpu, float*, const float*, const float*, const float*,
                                  const ReduceShape&);
template void reduce_max_backward(OnCpu, double*, const double*, const double*, const double*,
                                  const ReduceShape&);
template void reduce_max_backward(OnCpu, bfloat16*, const bfloat16*, const bfloat16*,
                                  const bfloat16*, const ReduceShape&);
template void reduce_max_backward(OnCpu, float16*, const float16*, const float16*, const float16*,
                                  const ReduceShape&);

template void reduce_product_backward(OnCpu, float*, const float*, const float*,
                                      const ReduceShape&);
template void reduce_product_backward(OnCpu, double*, const double*, const double*,
                                      const ReduceShape&);
template void reduce_product_backward(OnCpu, bfloat16*, const bfloat16*, const bfloat16*,
                                      const ReduceShape&);
template void reduce_product_backward(OnCpu, float16*, const float16*, const float16*,
                                      const ReduceShape&);

template void sum_of(OnCpu, float*, const float*, const float*, const ReduceShape&, Summand,
                     double);
template void sum_of(OnCpu, double*, const double*, const double*, const ReduceShape&, Summand,
                     double);

template void sum_of_squares(OnCpu, double*, double*, const float*, int64_t);
template void sum_of_squares(OnCpu, double*, double*, const double*, int64_t);
template void sum_of_squares(OnCpu, double*, double*, const bfloat16*, int64_t);
template void sum_of_squares(OnCpu, double*, double*, const float16*, int64_t);

}  // namespace ripieno::kernels
