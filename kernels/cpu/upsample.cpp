#include "ripieno/kernels/upsample.h"

#include "ripieno/kernels/cpu/support/parallel.h"
#include "ripieno/kernels/cpu/support/scratch.h"
#include "ripieno/kernels/element_types.h"

namespace ripieno::kernels {

namespace {

// Calls body(position in the output, y, x) for each element of an upsampled plane.
template <typename A, typename Body>
void for_each_element(const UpsampleShape& shape, Upsampling mode, const Body& body) {
  for (int64_t oy = 0; oy < shape.out_y; ++oy) {
    const auto y = interpolation_of<A>(mode, shape.in_y, shape.out_y, oy);
    for (int64_t ox = 0; ox < shape.out_x; ++ox) {
      body(oy * shape.out_x + ox, y, interpolation_of<A>(mode, shape.in_x, shape.out_x, ox));
    }
  }
}

}  // namespace

template <typename T>
void upsample_forward(OnCpu, T* out, const T* in, const UpsampleShape& shape, Upsampling mode) {
  using A = accumulator_t<T>;
  const int64_t in_size = shape.in_y * shape.in_x, out_size = shape.out_y * shape.out_x;
  cpu::for_each_row(shape.planes, out_size, [&](int64_t plane) {
    const T* const from = in + plane * in_size;
    for_each_element<A>(shape, mode, [&](int64_t position, const auto& y, const auto& x) {
      if (mode == Upsampling::kNearest) {
        out[plane * out_size + position] = from[y.low * shape.in_x + x.low];
        return;
      }
      const T *const low = from + y.low * shape.in_x, *const high = from + y.high * shape.in_x;
      const A above = (A(1) - x.fraction) * A(low[x.low]) + x.fraction * A(low[x.high]);
      const A below = (A(1) - x.fraction) * A(high[x.low]) + x.fraction * A(high[x.high]);
      out[plane * out_size + position] = T((A(1) - y.fraction) * above + y.fraction * below);
    });
  });
}

template <typename T>
void upsample_backward(OnCpu, T* grad_in, const T* grad_out, const UpsampleShape& shape,
                       Upsampling mode, bool accumulate) {
  using A = accumulator_t<T>;
  const int64_t in_size = shape.in_y * shape.in_x, out_size = shape.out_y * shape.out_x;
  cpu::for_each_row(shape.planes, in_size + out_size, [&](int64_t plane) {
    A* const sums = cpu::scratch<A>(cpu::Scratch::kOut, in_size);
    for (int64_t i = 0; i < in_size; ++i) sums[i] = A(0);
    for_each_element<A>(shape, mode, [&](int64_t position, const auto& y, const auto& x) {
      const A gradient = A(grad_out[plane * out_size + position]);
      A *const low = sums + y.low * shape.in_x, *const high = sums + y.high * shape.in_x;
      low[x.low] += (A(1) - y.fraction) * (A(1) - x.fraction) * gradient;
      low[x.high] += (A(1) - y.fraction) * x.fraction * gradient;
      high[x.low] += y.fraction * (A(1) - x.fraction) * gradient;
      high[x.high] += y.fraction * x.fraction * gradient;
    });
    T* const to = grad_in + plane * in_size;
    for (int64_t i = 0; i < in_size; ++i) to[i] = T(accumulate ? A(to[i]) + sums[i] : sums[i]);
  });
}

template void upsample_forward(OnCpu, float*, const float*, const UpsampleShape&, Upsampling);
template void upsample_forward(OnCpu, double*, const double*, const UpsampleShape&, Upsampling);
template void upsample_forward(OnCpu, bfloat16*, const bfloat16*, const UpsampleShape&, Upsampling);
template void upsample_forward(OnCpu, float16*, const float16*, const UpsampleShape&, Upsampling);

template void upsample_backward(OnCpu, float*, const float*, const UpsampleShape&, Upsampling,
                                bool);
template void upsample_backward(OnCpu, double*, const double*, const UpsampleShape&, Upsampling,
                                bool);
template void upsample_backward(OnCpu, bfloat16*, const bfloat16*, const UpsampleShape&, Upsampling,
                                bool);
template void upsample_backward(OnCpu, float16*, const float16*, const UpsampleShape&, Upsampling,
                                bool);

}  // namespace ripieno::kernels
