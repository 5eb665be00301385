#include "ripieno/core/ops/truncated_normal.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "ripieno/core/autograd.h"

namespace ripieno {
namespace {

double normal_distribution(double x) { return 0.5 * std::erfc(-x / std::numbers::sqrt2); }

// Of the upper half, to about 4.5e-4 (Abramowitz and Stegun, 26.2.23). q: in (0, 0.5].
double rough_upper_quantile(double q) {
  const double t = std::sqrt(-2.0 * std::log(q));
  return t - (2.515517 + t * (0.802853 + t * 0.010328)) /
                 (1.0 + t * (1.432788 + t * (0.189269 + t * 0.001308)));
}

}  // namespace

double normal_quantile(double p) {
  const bool is_upper = p > 0.5;
  const double q = is_upper ? 1.0 - p : p;
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  if (q == 0.0) return is_upper ? kInfinity : -kInfinity;
  double x = -rough_upper_quantile(q);
  for (int i = 0; i < 3; ++i) {  // Halley's method
    const double density = std::exp(-0.5 * x * x) / std::sqrt(2.0 * std::numbers::pi);
    const double step = (normal_distribution(x) - q) / density;
    x -= step / (1.0 + 0.5 * x * step);
  }
  return is_upper ? -x : x;
}

void fill_truncated_normal(const Tensor& x, double deviation, double bound,
                           const kernels::RandomKey& key) {
  if (!x.defined() || !is_floating_point(x.dtype())) {
    fail(fmt::format("fill_truncated_normal: requires a floating-point tensor, got {}",
                     describe(x)));
  }
  if (!(bound > 0.0))
    fail(fmt::format("fill_truncated_normal: bound is {}; it must be above 0", bound));
  const NoGrad no_grad;
  const double least = normal_distribution(-bound);
  const Tensor numbers(x.shape(), DType::float64);
  fill_uniform(numbers, least, 1.0 - least, key);
  double* const values = numbers.data<double>();
  for (int64_t i = 0; i < numbers.elements(); ++i)
    values[i] = deviation * std::clamp(normal_quantile(values[i]), -bound, bound);
  Tensor(x).copy_from(numbers);
}

}  // namespace ripieno
