// The windows of a pooling, and their elements along one axis, for the kernels of both places.
#pragma once

#include <cstdint>

namespace ripieno::kernels {

// One spatial axis. Window o reads in[o * stride - padding + k * dilation] for k in [0, kernel),
// or, if adaptive, in[o * in / out] up to in[ceil((o + 1) * in / out)].
struct PoolAxis {
  int64_t in = 1, out = 1, kernel = 1;
  int64_t stride = 1, padding = 0, dilation = 1;
  bool adaptive = false;
};

struct PoolShape {
  int64_t planes = 0;
  PoolAxis y = {}, x = {};
  bool count_padding = true;  // whether averages divide by the padded elements of a window, too

  constexpr int64_t in_size() const { return y.in * x.in; }
  constexpr int64_t out_size() const { return y.out * x.out; }
};

// Elements begin, begin + step, … before end.
// with_padding: their number with those of the padding.
struct PoolWindow {
  int64_t begin = 0, end = 0, step = 1;
  int64_t with_padding = 1;

  constexpr int64_t elements() const { return end > begin ? (end - begin + step - 1) / step : 0; }
};

constexpr PoolWindow window_of(const PoolAxis& axis, int64_t out) {
  if (axis.adaptive) {
    const int64_t begin = out * axis.in / axis.out;
    const int64_t end = ((out + 1) * axis.in + axis.out - 1) / axis.out;
    return {begin, end, 1, end - begin};
  }
  const int64_t first = out * axis.stride - axis.padding;
  const int64_t last = first + (axis.kernel - 1) * axis.dilation + 1;
  const int64_t padded = last < axis.in + axis.padding ? last : axis.in + axis.padding;
  const int64_t skipped = first < 0 ? (-first + axis.dilation - 1) / axis.dilation : 0;
  return {first + skipped * axis.dilation, last < axis.in ? last : axis.in, axis.dilation,
          padded - first};
}

// Whether all elements of a window are padding, as those of a dilated one may be.
constexpr bool is_empty(const PoolWindow& y, const PoolWindow& x) {
  return y.begin >= y.end || x.begin >= x.end;
}

// The first window that may read element `in`, and the one after the last.
struct PoolReaders {
  int64_t begin = 0, end = 0;
};

constexpr PoolReaders readers_of(const PoolAxis& axis, int64_t in) {
  if (axis.adaptive) {
    const int64_t end = ((in + 1) * axis.out + axis.in - 1) / axis.in;
    return {in * axis.out / axis.in, end < axis.out ? end : axis.out};
  }
  const int64_t reach = (axis.kernel - 1) * axis.dilation, at = in + axis.padding;
  const int64_t begin = at > reach ? (at - reach + axis.stride - 1) / axis.stride : 0;
  const int64_t end = at / axis.stride + 1;
  return {begin, end < axis.out ? end : axis.out};
}

// The number of elements by which an average is divided.
constexpr int64_t divisor_of(const PoolShape& shape, const PoolWindow& y, const PoolWindow& x) {
  return shape.count_padding ? y.with_padding * x.with_padding : y.elements() * x.elements();
}

}  // namespace ripieno::kernels
