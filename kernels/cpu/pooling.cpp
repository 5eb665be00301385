#include "ripieno/kernels/pooling.h"

#include <limits>

#include "ripieno/kernels/cpu/support/parallel.h"
#include "ripieno/kernels/cpu/support/scratch.h"
#include "ripieno/kernels/element_types.h"

namespace ripieno::kernels {

namespace {

// Calls body(plane, position, y window, x window) for each window of each plane.
template <typename Body>
void for_each_window(const PoolShape& shape, const Body& body) {
  const int64_t work = shape.in_size() + shape.out_size();
  cpu::for_each_row(shape.planes, work, [&](int64_t plane) {
    for (int64_t oy = 0; oy < shape.y.out; ++oy) {
      const PoolWindow y = window_of(shape.y, oy);
      for (int64_t ox = 0; ox < shape.x.out; ++ox) {
        body(plane, oy * shape.x.out + ox, y, window_of(shape.x, ox));
      }
    }
  });
}

// grad_in of a plane = the sums that body(sums) adds up (+ grad_in if `accumulate`).
template <typename T, typename Body>
void for_each_gradient(T* grad_in, const PoolShape& shape, bool accumulate, const Body& body) {
  using A = accumulator_t<T>;
  const int64_t size = shape.in_size();
  cpu::for_each_row(shape.planes, size + shape.out_size(), [&](int64_t plane) {
    A* const sums = cpu::scratch<A>(cpu::Scratch::kOut, size);
    for (int64_t i = 0; i < size; ++i) sums[i] = A(0);
    body(plane, sums);
    T* const out = grad_in + plane * size;
    for (int64_t i = 0; i < size; ++i) out[i] = T(accumulate ? A(out[i]) + sums[i] : sums[i]);
  });
}

}  // namespace

template <typename T>
void max_pool_forward(OnCpu, T* out, int32_t* indices, const T* in, const PoolShape& shape) {
  using A = accumulator_t<T>;
  for_each_window(shape,
                  [&](int64_t plane, int64_t position, const PoolWindow& y, const PoolWindow& x) {
                    const T* const from = in + plane * shape.in_size();
                    int64_t best = is_empty(y, x) ? -1 : y.begin * shape.x.in + x.begin;
                    A largest = -std::numeric_limits<A>::infinity();
                    for (int64_t iy = y.begin; iy < y.end; iy += y.step) {
                      for (int64_t ix = x.begin; ix < x.end; ix += x.step) {
                        const int64_t at = iy * shape.x.in + ix;
                        const A value = A(from[at]);
                        if (!(value > largest) && (value == value || largest != largest)) continue;
                        largest = value;
                        best = at;
                      }
                    }
                    out[plane * shape.out_size() + position] = best < 0 ? T(largest) : from[best];
                    indices[plane * shape.out_size() + position] = static_cast<int32_t>(best);
                  });
}

template <typename T>
void max_pool_backward(OnCpu, T* grad_in, const T* grad_out, const int32_t* indices,
                       const PoolShape& shape, bool accumulate) {
  using A = accumulator_t<T>;
  for_each_gradient(grad_in, shape, accumulate, [&](int64_t plane, A* sums) {
    const int64_t first = plane * shape.out_size();
    for (int64_t i = first; i < first + shape.out_size(); ++i) {
      if (indices[i] >= 0) sums[indices[i]] += A(grad_out[i]);
    }
  });
}

template <typename T>
void average_pool_forward(OnCpu, T* out, const T* in, const PoolShape& shape) {
  using A = accumulator_t<T>;
  for_each_window(shape,
                  [&](int64_t plane, int64_t position, const PoolWindow& y, const PoolWindow& x) {
                    const T* const from = in + plane * shape.in_size();
                    A sum = A(0);
                    for (int64_t iy = y.begin; iy < y.end; ++iy) {
                      for (int64_t ix = x.begin; ix < x.end; ++ix)
                        sum += A(from[iy * shape.x.in + ix]);
                    }
                    out[plane * shape.out_size() + position] = T(sum / A(divisor_of(shape, y, x)));
                  });
}

template <typename T>
void average_pool_backward(OnCpu, T* grad_in, const T* grad_out, const PoolShape& shape,
                           bool accumulate) {
  using A = accumulator_t<T>;
  for_each_gradient(grad_in, shape, accumulate, [&](int64_t plane, A* sums) {
    const T* const gradient = grad_out + plane * shape.out_size();
    for (int64_t oy = 0; oy < shape.y.out; ++oy) {
      const PoolWindow y = window_of(shape.y, oy);
      for (int64_t ox = 0; ox < shape.x.out; ++ox) {
        const PoolWindow x = window_of(shape.x, ox);
        const A share = A(gradient[oy * shape.x.out + ox]) / A(divisor_of(shape, y, x));
        for (int64_t iy = y.begin; iy < y.end; ++iy) {
          for (int64_t ix = x.begin; ix < x.end; ++ix) sums[iy * shape.x.in + ix] += share;
        }
      }
    }
  });
}

template void max_pool_forward(OnCpu, float*, int32_t*, const float*, const PoolShape&);
template void max_pool_forward(OnCpu, double*, int32_t*, const double*, const PoolShape&);
template void max_pool_forward(OnCpu, bfloat16*, int32_t*, const bfloat16*, const PoolShape&);
template void max_pool_forward(OnCpu, float16*, int32_t*, const float16*, const PoolShape&);

template void max_pool_backward(OnCpu, float*, const float*, const int32_t*, const PoolShape&,
                                bool);
template void max_pool_backward(OnCpu, double*, const double*, const int32_t*, const PoolShape&,
                                bool);
template void max_pool_backward(OnCpu, bfloat16*, const bfloat16*, const int32_t*, const PoolShape&,
                                bool);
template void max_pool_backward(OnCpu, float16*, const float16*, const int32_t*, const PoolShape&,
                                bool);

template void average_pool_forward(OnCpu, float*, const float*, const PoolShape&);
template void average_pool_forward(OnCpu, double*, const double*, const PoolShape&);
template void average_pool_forward(OnCpu, bfloat16*, const bfloat16*, const PoolShape&);
template void average_pool_forward(OnCpu, float16*, const float16*, const PoolShape&);

template void average_pool_backward(OnCpu, float*, const float*, const PoolShape&, bool);
template void average_pool_backward(OnCpu, double*, const double*, const PoolShape&, bool);
template void average_pool_backward(OnCpu, bfloat16*, const bfloat16*, const PoolShape&, bool);
template void average_pool_backward(OnCpu, float16*, const float16*, const PoolShape&, bool);

}  // namespace ripieno::kernels
