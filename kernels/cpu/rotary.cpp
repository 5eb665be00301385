#include "ripieno/kernels/rotary.h"

#include <cmath>
#include <vector>

#include "ripieno/kernels/cpu/support/parallel.h"
#include "ripieno/kernels/rotary_frequency.h"

namespace ripieno::kernels {

template <typename A>
void rotary_table(OnCpu, A* table, const int32_t* positions, int64_t rows, int64_t half,
                  int64_t time, int64_t first, const RotaryFrequencies& frequencies) {
  std::vector<double> frequency(static_cast<std::size_t>(half));
  for (int64_t i = 0; i < half; ++i) {
    frequency[static_cast<std::size_t>(i)] = rotary_frequency<double>(frequencies, i, half);
  }
  cpu::for_each_row(rows, 40 * half, [&](int64_t r) {
    const auto position = static_cast<double>(positions ? positions[r] : first + r % time);
    A* const row = table + r * 2 * half;
    for (int64_t i = 0; i < half; ++i) {
      const double angle = position * frequency[static_cast<std::size_t>(i)];
      row[i] = static_cast<A>(std::cos(angle));
      row[half + i] = static_cast<A>(std::sin(angle));
    }
  });
}

template <typename T>
void rotate(OnCpu, T* out, const T* in, const accumulator_t<T>* table, const RotaryShape& shape,
            bool inverse) {
  using A = accumulator_t<T>;
  const int64_t half = shape.half, size = 2 * half + shape.rest;
  const A sign = inverse ? A(-1) : A(1);
  cpu::for_each_row(shape.rows, shape.heads * size, [&](int64_t r) {
    const A* const cosines = table + r % shape.table_rows * 2 * half;
    const A* const sines = cosines + half;
    for (int64_t h = 0; h < shape.heads; ++h) {
      const int64_t at = (r * shape.heads + h) * size;
      const T* const x = in + at;
      T* const y = out + at;
#pragma omp simd
      for (int64_t i = 0; i < half; ++i) {
        const A a = A(x[i]), b = A(x[half + i]), sine = sign * sines[i];
        y[i] = T(a * cosines[i] - b * sine);
        y[half + i] = T(b * cosines[i] + a * sine);
      }
      for (int64_t i = 2 * half; i < size; ++i) y[i] = x[i];
    }
  });
}

template void rotary_table(OnCpu, float*, const int32_t*, int64_t, int64_t, int64_t, int64_t,
                           const RotaryFrequencies&);
template void rotary_table(OnCpu, double*, const int32_t*, int64_t, int64_t, int64_t, int64_t,
                           const RotaryFrequencies&);

template void rotate(OnCpu, float*, const float*, const float*, const RotaryShape&, bool);
template void rotate(OnCpu, double*, const double*, const double*, const RotaryShape&, bool);
template void rotate(OnCpu, bfloat16*, const bfloat16*, const float*, const RotaryShape&, bool);
template void rotate(OnCpu, float16*, const float16*, const float*, const RotaryShape&, bool);

}  // namespace ripieno::kernels
