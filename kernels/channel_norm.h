// The parts of batch, group and instance normalization: sums over channels, normalization and its
// gradient.
//
// in, out and their gradients are (batch, channels, size), dense; size is 1 for features, length,
// or height * width. A plane is one channel of one sample. Elements that are normalized together
// have one statistic: those of a channel, or those of a group of adjacent channels of a sample.
// Sums and statistics are double.
#pragma once

#include <cstdint>

#include "ripieno/kernels/execution.h"

namespace ripieno::kernels {

struct ChannelNormShape {
  int64_t batch = 0, channels = 0, size = 0;
  int64_t groups = 0;  // of a sample; 0: a statistic belongs to a channel of all samples

  constexpr int64_t planes() const { return batch * channels; }
  // The statistic of a plane.
  constexpr int64_t statistic_of(int64_t plane) const {
    return groups == 0 ? plane % channels : plane / (channels / groups);
  }
};

// sums[plane] = the sum of the plane.   sums: (batch, channels).
template <typename T>
void plane_sums(OnCpu, double* sums, const T* in, const ChannelNormShape& shape);
template <typename T>
void plane_sums(OnCuda, double* sums, const T* in, const ChannelNormShape& shape);

// sums[plane] = the sum of (in - mean)^2.   mean: (statistics).
template <typename T>
void plane_squares(OnCpu, double* sums, const T* in, const double* mean,
                   const ChannelNormShape& shape);
template <typename T>
void plane_squares(OnCuda, double* sums, const T* in, const double* mean,
                   const ChannelNormShape& shape);

template <typename T>
struct ChannelNormArguments {
  const T* in = nullptr;
  const double* mean = nullptr;               // (statistics)
  const double* inverse_deviation = nullptr;  // (statistics)
  const T* weight = nullptr;                  // (channels), or null for ones
  const T* bias = nullptr;                    // (channels), or null for zeros
  ChannelNormShape shape = {};
};

// out = (in - mean) * inverse_deviation * weight + bias.
template <typename T>
void channel_norm_forward(OnCpu, T* out, const ChannelNormArguments<T>& norm);
template <typename T>
void channel_norm_forward(OnCuda, T* out, const ChannelNormArguments<T>& norm);

// of_gradient[plane] = the sum of grad_out; of_product[plane] = the sum of grad_out * normalized,
// where normalized = (in - mean) * inverse_deviation.
template <typename T>
void channel_norm_gradient_sums(OnCpu, double* of_gradient, double* of_product, const T* grad_out,
                                const ChannelNormArguments<T>& norm);
template <typename T>
void channel_norm_gradient_sums(OnCuda, double* of_gradient, double* of_product, const T* grad_out,
                                const ChannelNormArguments<T>& norm);

// grad_in = inverse_deviation * (grad_out * weight - mean_gradient - normalized * mean_product) (+
// grad_in if `accumulate`).   mean_gradient, mean_product: (statistics), the means of grad_out *
// weight and of grad_out * weight * normalized; null if the statistics are constants.
template <typename T>
void channel_norm_backward(OnCpu, T* grad_in, const T* grad_out, const double* mean_gradient,
                           const double* mean_product, const ChannelNormArguments<T>& norm,
                           bool accumulate);
template <typename T>
void channel_norm_backward(OnCuda, T* grad_in, const T* grad_out, const double* mean_gradient,
                           const double* mean_product, const ChannelNormArguments<T>& norm,
                           bool accumulate);

}  // namespace ripieno::kernels
