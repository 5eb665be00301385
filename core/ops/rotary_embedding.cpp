#include "ripieno/core/ops/rotary_embedding.h"

#include <fmt/format.h>

#include <cmath>

#include "ripieno/core/autograd.h"
#include "ripieno/core/operands.h"
#include "ripieno/core/place.h"

namespace ripieno {
namespace {

DType type_of_table(DType dtype) {
  return dtype == DType::float64 ? DType::float64 : DType::float32;
}

void check(int64_t channels, const RotaryFrequencies& of) {
  if (channels < 2 || channels % 2 != 0) {
    fail(fmt::format("rotary_table: channels is {}; it must be even and positive", channels));
  }
  const bool holds = of.base > 0 && std::isfinite(of.base) && of.factor > 0 &&
                     (of.factor == 1.0 || (of.low <= of.high && of.original_context > 0));
  if (holds) return;
  fail(
      fmt::format("rotary_table: base is {}, factor is {}, low is {}, high is {}, original_context "
                  "is {}; all must be positive, and low at most high",
                  of.base, of.factor, of.low, of.high, of.original_context));
}

void compute(const Tensor& table, const int32_t* positions, int64_t time, int64_t first,
             const RotaryFrequencies& frequencies) {
  const int64_t channels = table.size(-1), rows = table.elements() / channels;
  run_on({"rotary_table", {&table}}, table.device(), [&](auto on) {
    const auto fill = [&]<typename A>(A* to) {
      kernels::rotary_table(on, to, positions, rows, channels / 2, time, first, frequencies);
    };
    if (table.dtype() == DType::float64) {
      fill(table.data<double>());
    } else {
      fill(table.data<float>());
    }
  });
}

kernels::RotaryShape shape_of(const Tensor& x, const Tensor& table) {
  require_one_device("rotary_embedding", {{"x", x}, {"table", table}});
  const bool has_axes = x.rank() == 4 && (table.rank() == 2 || table.rank() == 3);
  const Shape& t = table.shape();
  if (!has_axes || table.size(-2) != x.size(1) || (table.rank() == 3 && t[0] != x.size(0)) ||
      table.size(-1) > x.size(3) || table.size(-1) % 2 != 0 ||
      table.dtype() != type_of_table(x.dtype())) {
    fail("rotary_embedding: x is " + describe(x) + ", table is " + describe(table) +
         "; x must be (batch, time, heads, head_size) and table (time, channels) or (batch, time, "
         "channels), float32 or, for float64, float64, with an even number of at most head_size "
         "channels");
  }
  const int64_t half = table.size(-1) / 2;
  return {.rows = x.size(0) * x.size(1),
          .heads = x.size(2),
          .half = half,
          .rest = x.size(3) - 2 * half,
          .table_rows = table.elements() / std::max<int64_t>(table.size(-1), 1)};
}

Tensor rotated(const Tensor& x, const Tensor& table, const kernels::RotaryShape& shape,
               bool inverse) {
  const Tensor result(x.shape(), x.dtype(), x.device());
  if (x.elements() == 0) return result;
  const char* name = inverse ? "rotary_embedding: gradient" : "rotary_embedding";
  run({name, {&result, &x, &table}, 3 * x.elements()}, x, [&]<typename T>(auto on) {
    kernels::rotate(on, result.data<T>(), x.data<T>(), table.data<kernels::accumulator_t<T>>(),
                    shape, inverse);
  });
  return result;
}

}  // namespace

Tensor rotary_table(int64_t time, int64_t channels, const RotaryFrequencies& frequencies,
                    DType dtype, Device device, int64_t first) {
  check(channels, frequencies);
  if (time < 0 || first < 0 || first > INT32_MAX - time) {
    fail(fmt::format("rotary_table: time is {}, first is {}; positions must be from 0 to {}", time,
                     first, INT32_MAX));
  }
  const Tensor table({time, channels}, type_of_table(dtype), device);
  compute(table, nullptr, std::max<int64_t>(time, 1), first, frequencies);
  return table;
}

Tensor rotary_table(const Tensor& positions_, int64_t channels,
                    const RotaryFrequencies& frequencies, DType dtype) {
  require_defined("rotary_table", {{"positions", positions_}});
  check(channels, frequencies);
  if (positions_.dtype() != DType::int32) {
    fail("rotary_table: positions is " + describe(positions_) + "; it must be int32");
  }
  const Tensor positions = positions_.dense();
  Shape shape = positions.shape();
  shape.push_back(channels);
  const Tensor table(shape, type_of_table(dtype), positions.device());
  compute(table, positions.data<int32_t>(), 1, 0, frequencies);
  return table;
}

Tensor rotary_embedding(const Tensor& x_, const Tensor& table_) {
  require_defined("rotary_embedding", {{"x", x_}, {"table", table_}});
  const kernels::RotaryShape shape = shape_of(x_, table_);
  const Tensor x = x_.dense(), table = table_.detach().dense();
  return autograd::record("rotary_embedding", rotated(x, table, shape, false), {&x},
                          [table = autograd::Saved(table), shape](const Tensor& gradient,
                                                                  autograd::Gradients& gradients) {
                            gradients.add(0, rotated(gradient, *table, shape, true));
                          });
}

}  // namespace ripieno
