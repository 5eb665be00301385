#include "ripieno/kernels/channel_norm.h"

#include <algorithm>

#include "ripieno/kernels/cpu/support/convert.h"
#include "ripieno/kernels/cpu/support/parallel.h"
#include "ripieno/kernels/cpu/support/rows.h"
#include "ripieno/kernels/element_types.h"

namespace ripieno::kernels {

namespace {

// Elements that are summed in the accumulator type; the sums of such parts are added in double.
constexpr int64_t kPart = 4096;

template <typename A, typename Term>
double sum_of(int64_t size, const Term& term) {
  double total = 0;
  for (int64_t begin = 0; begin < size; begin += kPart) {
    const int64_t count = std::min(kPart, size - begin);
    total +=
        static_cast<double>(cpu::row_sum<A>(count, [&](int64_t i) { return term(begin + i); }));
  }
  return total;
}

// What a plane is multiplied by and added to.
template <typename T>
struct PlaneNorm {
  using A = accumulator_t<T>;
  A mean, inverse, weight, bias;

  PlaneNorm(const ChannelNormArguments<T>& norm, int64_t plane) {
    const int64_t statistic = norm.shape.statistic_of(plane), channel = plane % norm.shape.channels;
    mean = A(norm.mean[statistic]);
    inverse = A(norm.inverse_deviation[statistic]);
    weight = norm.weight ? A(norm.weight[channel]) : A(1);
    bias = norm.bias ? A(norm.bias[channel]) : A(0);
  }
  A normalized(T x) const { return (A(x) - mean) * inverse; }
};

}  // namespace

template <typename T>
void plane_sums(OnCpu, double* sums, const T* in, const ChannelNormShape& shape) {
  using A = accumulator_t<T>;
  cpu::for_each_row(shape.planes(), shape.size, [&](int64_t plane) {
    const T* const x = in + plane * shape.size;
    sums[plane] = sum_of<A>(shape.size, [x](int64_t i) { return A(x[i]); });
  });
}

template <typename T>
void plane_squares(OnCpu, double* sums, const T* in, const double* mean,
                   const ChannelNormShape& shape) {
  using A = accumulator_t<T>;
  cpu::for_each_row(shape.planes(), shape.size, [&](int64_t plane) {
    const T* const x = in + plane * shape.size;
    const A center = A(mean[shape.statistic_of(plane)]);
    sums[plane] = sum_of<A>(shape.size, [x, center](int64_t i) {
      const A difference = A(x[i]) - center;
      return difference * difference;
    });
  });
}

template <typename T>
void channel_norm_forward(OnCpu, T* out, const ChannelNormArguments<T>& norm) {
  const int64_t size = norm.shape.size;
  cpu::for_each_row(norm.shape.planes(), size, [&](int64_t plane) {
    const PlaneNorm<T> of(norm, plane);
    const T* const x = norm.in + plane * size;
    T* const y = out + plane * size;
#pragma omp simd
    for (int64_t i = 0; i < size; ++i)
      y[i] = cpu::convert<T>(of.normalized(x[i]) * of.weight + of.bias);
  });
}

template <typename T>
void channel_norm_gradient_sums(OnCpu, double* of_gradient, double* of_product, const T* grad_out,
                                const ChannelNormArguments<T>& norm) {
  using A = accumulator_t<T>;
  const int64_t size = norm.shape.size;
  cpu::for_each_row(norm.shape.planes(), 2 * size, [&](int64_t plane) {
    const PlaneNorm<T> of(norm, plane);
    const T *const x = norm.in + plane * size, *const gradient = grad_out + plane * size;
    of_gradient[plane] = sum_of<A>(size, [&](int64_t i) { return A(gradient[i]); });
    of_product[plane] =
        sum_of<A>(size, [&](int64_t i) { return A(gradient[i]) * of.normalized(x[i]); });
  });
}

template <typename T>
void channel_norm_backward(OnCpu, T* grad_in, const T* grad_out, const double* mean_gradient,
                           const double* mean_product, const ChannelNormArguments<T>& norm,
                           bool accumulate) {
  using A = accumulator_t<T>;
  const int64_t size = norm.shape.size;
  cpu::for_each_row(norm.shape.planes(), size, [&](int64_t plane) {
    const PlaneNorm<T> of(norm, plane);
    const int64_t statistic = norm.shape.statistic_of(plane);
    const A shift = mean_gradient ? A(mean_gradient[statistic]) : A(0);
    const A slope = mean_product ? A(mean_product[statistic]) : A(0);
    const T *const x = norm.in + plane * size, *const gradient = grad_out + plane * size;
    T* const out = grad_in + plane * size;
#pragma omp simd
    for (int64_t i = 0; i < size; ++i) {
      const A to_in =
          of.inverse * (A(gradient[i]) * of.weight - shift - of.normalized(x[i]) * slope);
      out[i] = T(accumulate ? A(out[i]) + to_in : to_in);
    }
  });
}

template void plane_sums(OnCpu, double*, const float*, const ChannelNormShape&);
template void plane_sums(OnCpu, double*, const double*, const ChannelNormShape&);
template void plane_sums(OnCpu, double*, const bfloat16*, const ChannelNormShape&);
template void plane_sums(OnCpu, double*, const float16*, const ChannelNormShape&);

template void plane_squares(OnCpu, double*, const float*, const double*, const ChannelNormShape&);
template void plane_squares(OnCpu, double*, const double*, const double*, const ChannelNormShape&);
template void plane_squares(OnCpu, double*, const bfloat16*, const double*,
                            const ChannelNormShape&);
template void plane_squares(OnCpu, double*, const float16*, const double*, const ChannelNormShape&);

template void channel_norm_forward(OnCpu, float*, const ChannelNormArguments<float>&);
template void channel_norm_forward(OnCpu, double*, const ChannelNormArguments<double>&);
template void channel_norm_forward(OnCpu, bfloat16*, const ChannelNormArguments<bfloat16>&);
template void channel_norm_forward(OnCpu, float16*, const ChannelNormArguments<float16>&);

template void channel_norm_gradient_sums(OnCpu, double*, double*, const float*,
                                         const ChannelNormArguments<float>&);
template void channel_norm_gradient_sums(OnCpu, double*, double*, const double*,
                                         const ChannelNormArguments<double>&);
template void channel_norm_gradient_sums(OnCpu, double*, double*, const bfloat16*,
                                         const ChannelNormArguments<bfloat16>&);
template void channel_norm_gradient_sums(OnCpu, double*, double*, const float16*,
                                         const ChannelNormArguments<float16>&);

template void channel_norm_backward(OnCpu, float*, const float*, const double*, const double*,
                                    const ChannelNormArguments<float>&, bool);
template void channel_norm_backward(OnCpu, double*, const double*, const double*, const double*,
                                    const ChannelNormArguments<double>&, bool);
template void channel_norm_backward(OnCpu, bfloat16*, const bfloat16*, const double*, const double*,
                                    const ChannelNormArguments<bfloat16>&, bool);
template void channel_norm_backward(OnCpu, float16*, const float16*, const double*, const double*,
                                    const ChannelNormArguments<float16>&, bool);

}  // namespace ripieno::kernels
