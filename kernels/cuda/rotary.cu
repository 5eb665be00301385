#include "ripieno/kernels/cuda/device/device.cuh"
#include "ripieno/kernels/rotary.h"
#include "ripieno/kernels/rotary_frequency.h"

namespace ripieno::kernels {
namespace {

// One thread per angle.
template <typename A>
__global__ void rotary_table_kernel(A* table, const int32_t* positions, int64_t rows, int64_t half,
                                    int64_t time, int64_t first, RotaryFrequencies frequencies) {
  const int64_t at = cuda::global_thread();
  if (at >= rows * half) return;
  const int64_t row = at / half, i = at % half;
  const auto position = static_cast<double>(positions ? positions[row] : first + row % time);
  const double angle = position * rotary_frequency<double>(frequencies, i, half);
  table[row * 2 * half + i] = static_cast<A>(std::cos(angle));
  table[row * 2 * half + half + i] = static_cast<A>(std::sin(angle));
}

// One thread per vector of the first half of a head.
template <int width, typename T>
__global__ void rotate_kernel(T* out, const T* in, const accumulator_t<T>* table, RotaryShape shape,
                              accumulator_t<T> sign) {
  using A = accumulator_t<T>;
  const int64_t vectors = shape.half / width, at = cuda::global_thread();
  if (at >= shape.rows * shape.heads * vectors) return;
  const int64_t head = at / vectors, i = at % vectors * width;
  const int64_t first = head * (2 * shape.half + shape.rest) + i;
  const A* const cosines = table + head / shape.heads % shape.table_rows * 2 * shape.half + i;
  const auto a = cuda::load<width>(in + first), b = cuda::load<width>(in + first + shape.half);
  cuda::Vector<T, width> low, high;
  cuda::unrolled<width>([&](int k) {
    const A cosine = cosines[k], sine = sign * cosines[shape.half + k];
    const A x = cuda::widen(a[k]), y = cuda::widen(b[k]);
    low[k] = cuda::narrow<T>(x * cosine - y * sine);
    high[k] = cuda::narrow<T>(y * cosine + x * sine);
  });
  cuda::store(out + first, low);
  cuda::store(out + first + shape.half, high);
}

// One thread per channel that is not rotated.
template <typename T>
__global__ void copy_rest_kernel(T* out, const T* in, RotaryShape shape) {
  const int64_t at = cuda::global_thread();
  if (at >= shape.rows * shape.heads * shape.rest) return;
  const int64_t head = at / shape.rest, i = at % shape.rest;
  const int64_t from = head * (2 * shape.half + shape.rest) + 2 * shape.half + i;
  out[from] = in[from];
}

}  // namespace

template <typename A>
void rotary_table(OnCuda on, A* table, const int32_t* positions, int64_t rows, int64_t half,
                  int64_t time, int64_t first, const RotaryFrequencies& frequencies) {
  cuda::launch(rotary_table_kernel<A>, cuda::thread_each(on, rows * half), table, positions, rows,
               half, time, first, frequencies);
}

template <typename T>
void rotate(OnCuda on, T* out, const T* in, const accumulator_t<T>* table, const RotaryShape& shape,
            bool inverse) {
  using A = accumulator_t<T>;
  const A sign = inverse ? A(-1) : A(1);
  const int64_t heads = shape.rows * shape.heads;
  constexpr int kWidth = cuda::kVectorSize<T>;
  if (shape.half % kWidth == 0 && shape.rest % kWidth == 0 && cuda::is_aligned(out, in)) {
    cuda::launch(rotate_kernel<kWidth, T>, cuda::thread_each(on, heads * (shape.half / kWidth)),
                 out, in, table, shape, sign);
  } else {
    cuda::launch(rotate_kernel<1, T>, cuda::thread_each(on, heads * shape.half), out, in, table,
                 shape, sign);
  }
  if (shape.rest > 0 && out != in) {
    cuda::launch(copy_rest_kernel<T>, cuda::thread_each(on, heads * shape.rest), out, in, shape);
  }
}

template void rotary_table(OnCuda, float*, const int32_t*, int64_t, int64_t, int64_t, int64_t,
                           const RotaryFrequencies&);
template void rotary_table(OnCuda, double*, const int32_t*, int64_t, int64_t, int64_t, int64_t,
                           const RotaryFrequencies&);

template void rotate(OnCuda, float*, const float*, const float*, const RotaryShape&, bool);
template void rotate(OnCuda, double*, const double*, const double*, const RotaryShape&, bool);
template void rotate(OnCuda, bfloat16*, const bfloat16*, const float*, const RotaryShape&, bool);
template void rotate(OnCuda, float16*, const float16*, const float*, const RotaryShape&, bool);

}  // namespace ripieno::kernels
