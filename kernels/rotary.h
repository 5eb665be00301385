// Rotary position embedding (Su et al., 2021, arXiv 2104.09864): pairs of channels (i, i + half)
// are rotated by position * frequency i, as in Hugging Face's Llama.
#pragma once

#include <cmath>
#include <cstdint>

#include "ripieno/kernels/element_types.h"
#include "ripieno/kernels/execution.h"

namespace ripieno::kernels {

// frequency(i) = base^(-i / half), of which Llama 3.1 and later divide the low ones by `factor`, so
// that longer contexts than `original_context` keep the angles that the model was trained with.
// Frequencies with a wavelength between original_context / high and original_context / low are
// interpolated. factor 1: unchanged.
struct RotaryFrequencies {
  double base = 10000.0;
  double factor = 1.0, low = 1.0, high = 4.0, original_context = 8192.0;
};

// table[r, i] = cos(a), table[r, half + i] = sin(a), with a = position * frequency(i); the position
// is positions[r], or first + r % time if positions is null.   table: (rows, 2 half).
template <typename A>
void rotary_table(OnCpu, A* table, const int32_t* positions, int64_t rows, int64_t half,
                  int64_t time, int64_t first, const RotaryFrequencies& frequencies);
template <typename A>
void rotary_table(OnCuda, A* table, const int32_t* positions, int64_t rows, int64_t half,
                  int64_t time, int64_t first, const RotaryFrequencies& frequencies);

// x: (rows, heads, 2 half + rest); the last `rest` channels of a head are copied.
struct RotaryShape {
  int64_t rows = 0, heads = 0, half = 0, rest = 0;
  int64_t table_rows = 0;  // row r of x uses row r % table_rows of the table
};

// out[r, h, i] = x[i] cos - x[half + i] sin, out[r, h, half + i] = x[half + i] cos + x[i] sin. With
// `inverse` the sign of sin changes, which gives the gradient. out may alias in.
template <typename T>
void rotate(OnCpu, T* out, const T* in, const accumulator_t<T>* table, const RotaryShape& shape,
            bool inverse);
template <typename T>
void rotate(OnCuda, T* out, const T* in, const accumulator_t<T>* table, const RotaryShape& shape,
            bool inverse);

}  // namespace ripieno::kernels
