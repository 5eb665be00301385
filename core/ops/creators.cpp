#include "ripieno/core/ops/creators.h"

#include <fmt/format.h>

#include <cmath>

#include "ripieno/core/operands.h"
#include "ripieno/core/ops/compare.h"
#include "ripieno/core/place.h"
#include "ripieno/core/random.h"
#include "ripieno/kernels/indexing.h"

namespace ripieno {
namespace {

// begin + i * step for i < count, in double or int64_t.
Tensor sequence(const char* name, int64_t count, double begin, double step, DType dtype,
                Device device) {
  if (!is_floating_point(dtype)) {
    return sequence(name, count, begin, step, DType::float64, device).to(dtype);
  }
  Tensor result({count}, dtype, device);
  run({name, {&result}}, result,
      [&]<typename T>(auto on) { kernels::ramp(on, result.data<T>(), count, begin, step); });
  return result;
}

Tensor integer_sequence(int64_t count, int64_t begin, int64_t step, DType dtype, Device device) {
  Tensor result({count}, dtype, device);
  run_any({"arange", {&result}}, result, [&]<typename T>(auto on) {
    if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>) {
      kernels::ramp(on, result.data<T>(), count, begin, step);
    }
  });
  return result;
}

// The key of the next random tensor of this thread: successive calls within a step differ.
kernels::RandomKey next_key() {
  RandomContext& context = random_context();
  if (context.draws.seed != context.seed || context.draws.step != context.step) {
    context.draws = {context.seed, context.step, 0};
  }
  return {context.seed, random_stream("Tensor::randn") + context.draws.count++, context.step};
}

template <typename Fill>
Tensor random(const Shape& shape, DType dtype, Device device, const Fill& fill) {
  if (!is_floating_point(dtype)) {
    fail(fmt::format("random: requires a floating-point element type, got {}", name_of(dtype)));
  }
  Tensor result(shape, dtype, device);
  fill(result, next_key());
  return result;
}

}  // namespace

Tensor Tensor::ones(const Shape& shape, DType dtype, Device device) {
  return full(shape, 1.0, dtype, device);
}

Tensor Tensor::integers(int64_t begin, int64_t end, int64_t step, DType dtype, Device device) {
  if (step == 0) fail("arange: the step is 0; it must be positive or negative");
  // In 128 bits, because the distance may exceed 63.
  const __int128 distance = static_cast<__int128>(end) - begin;
  const __int128 rounded = (distance + step - (step > 0 ? 1 : -1)) / step;
  const int64_t count = rounded > 0 ? static_cast<int64_t>(rounded) : 0;
  if (dtype == DType::int64 || dtype == DType::int32 || dtype == DType::uint8) {
    return integer_sequence(count, begin, step, dtype, device);
  }
  return sequence("arange", count, static_cast<double>(begin), static_cast<double>(step), dtype,
                  device);
}

Tensor Tensor::arange(double end, DType dtype, Device device) {
  return arange(0.0, end, 1.0, dtype, device);
}

Tensor Tensor::arange(double begin, double end, double step, DType dtype, Device device) {
  const double count = std::ceil((end - begin) / step);
  if (!std::isfinite(count) || step == 0.0 || count > 0x1p53) {
    fail(fmt::format("arange: from {} to {} in steps of {}; all must be finite, and the step not 0",
                     begin, end, step));
  }
  return sequence("arange", count > 0.0 ? static_cast<int64_t>(count) : 0, begin, step, dtype,
                  device);
}

Tensor Tensor::linspace(double first, double last, int64_t count, DType dtype, Device device) {
  if (count < 0) fail(fmt::format("linspace: the count is {}; it must not be negative", count));
  if (!std::isfinite(first) || !std::isfinite(last)) {
    fail(fmt::format("linspace: from {} to {}; both must be finite", first, last));
  }
  const double step = count > 1 ? (last - first) / static_cast<double>(count - 1) : 0.0;
  Tensor result = sequence("linspace", count, first, step, dtype, device);
  // first + (count - 1) * step is rounded, which matters for integers.
  if (count > 1) result.slice(0, count - 1, count).fill(last);
  return result;
}

Tensor Tensor::eye(int64_t rows, int64_t columns, DType dtype, Device device) {
  const int64_t wide = columns == -1 ? rows : columns;
  if (rows < 0 || wide < 0) {
    fail(fmt::format("eye: {} rows and {} columns; they must not be negative", rows, columns));
  }
  const Tensor row = arange(rows, DType::int64, device).reshape({rows, 1});
  return (row == arange(wide, DType::int64, device).reshape({1, wide})).to(dtype);
}

Tensor Tensor::rand(const Shape& shape, DType dtype, Device device) {
  return random(shape, dtype, device, [](const Tensor& x, const kernels::RandomKey& key) {
    fill_uniform(x, 0.0, 1.0, key);
  });
}

Tensor Tensor::randn(const Shape& shape, DType dtype, Device device) {
  return random(shape, dtype, device, [](const Tensor& x, const kernels::RandomKey& key) {
    fill_normal(x, 0.0, 1.0, key);
  });
}

Tensor zeros_like(const Tensor& x) { return Tensor::zeros(x.shape(), x.dtype(), x.device()); }
Tensor ones_like(const Tensor& x) { return Tensor::ones(x.shape(), x.dtype(), x.device()); }
Tensor full_like(const Tensor& x, double value) {
  return Tensor::full(x.shape(), value, x.dtype(), x.device());
}
Tensor rand_like(const Tensor& x) { return Tensor::rand(x.shape(), x.dtype(), x.device()); }
Tensor randn_like(const Tensor& x) { return Tensor::randn(x.shape(), x.dtype(), x.device()); }

}  // namespace ripieno
