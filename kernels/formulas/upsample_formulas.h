// Which two elements of an axis an upsampled element is computed from, for the kernels of both
// places.
#pragma once

#include <cstdint>

namespace ripieno::kernels {

enum class Upsampling {
  kNearest,
  kBilinear,         // pixels are areas: the centers of both grids are at i + 1/2
  kBilinearCorners,  // pixels are points: the corners of both grids coincide
};

struct UpsampleShape {
  int64_t planes = 0;
  int64_t in_y = 1, in_x = 1, out_y = 1, out_x = 1;
};

// (1 - fraction) * in[low] + fraction * in[high].
template <typename A>
struct Interpolation {
  int64_t low = 0, high = 0;
  A fraction = A(0);

  // The weight of element `in`.
  constexpr A weight_of(int64_t in) const {
    return (in == low ? A(1) - fraction : A(0)) + (in == high ? fraction : A(0));
  }
};

template <typename A>
constexpr Interpolation<A> interpolation_of(Upsampling mode, int64_t in, int64_t out, int64_t i) {
  if (mode == Upsampling::kNearest) return {i * in / out, i * in / out, A(0)};
  // The position in the input is numerator / denominator.
  int64_t numerator = i * (in - 1), denominator = out > 1 ? out - 1 : 1;
  if (mode == Upsampling::kBilinear) {
    numerator = (2 * i + 1) * in - out;
    denominator = 2 * out;
  }
  if (numerator <= 0) return {0, 0, A(0)};
  const int64_t low = numerator / denominator;
  if (low >= in - 1) return {in - 1, in - 1, A(0)};
  return {low, low + 1, A(numerator % denominator) / A(denominator)};
}

// A range of outputs that contains all that are computed from element `in`.
struct UpsampleReaders {
  int64_t begin = 0, end = 0;
};

constexpr UpsampleReaders readers_of(int64_t in, int64_t out, int64_t i) {
  // Wider than any mode needs.
  const int64_t begin = (i - 2) * out / in - 1, end = ((i + 2) * out + in - 1) / in + 2;
  return {begin > 0 ? begin : 0, end < out ? end : out};
}

}  // namespace ripieno::kernels
