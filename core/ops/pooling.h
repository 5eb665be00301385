// Pooling of sequences and images: the maximum or the average of each window of each channel.
//
// x: (batch, channels, length) or (batch, channels, height, width), of a floating-point element
// type. Throws Error for other shapes, and for options outside their domain.
#pragma once

#include <optional>

#include "ripieno/core/ops/per_axis.h"
#include "ripieno/core/tensor.h"

namespace ripieno {

struct MaxPoolOptions {
  std::optional<PerAxis> stride = {};  // the size of a window by default
  PerAxis padding = 0;                 // at most half a window; never the maximum
  PerAxis dilation = 1;
  bool round_up = false;  // whether a last window that is not complete counts
};

struct AveragePoolOptions {
  std::optional<PerAxis> stride = {};
  PerAxis padding = 0;
  bool round_up = false;
  bool count_padding = true;  // whether padding counts as zeros; else it is left out
};

// The gradient goes to the first of several equal maxima. NaN is larger than any number.
Tensor max_pool(const Tensor& x, const PerAxis& window, const MaxPoolOptions& options = {});
Tensor average_pool(const Tensor& x, const PerAxis& window, const AveragePoolOptions& options = {});

// The result has `size` along each spatial axis; window o covers [floor(o * in / size), ceil((o +
// 1)
// * in / size)).
Tensor adaptive_max_pool(const Tensor& x, const PerAxis& size);
Tensor adaptive_average_pool(const Tensor& x, const PerAxis& size);

// One window per channel: (batch, channels).
Tensor global_max_pool(const Tensor& x);
Tensor global_average_pool(const Tensor& x);

}  // namespace ripieno
