#include "ripieno/kernels/pooling.h"

#include "kernel_test.h"

namespace ripieno::testing {
namespace {

using kernels::PoolShape;

class Pooling : public KernelTest {};
INSTANTIATE_TEST_SUITE_P(Cuda, Pooling, device_runs(), run_name);

// Overlapping windows with padding, and adaptive ones, smaller and larger than the image.
const PoolShape kShapes[] = {{.planes = 3,
                              .y = {.in = 7, .out = 4, .kernel = 3, .stride = 2, .padding = 1},
                              .x = {.in = 9, .out = 9, .kernel = 3, .padding = 1},
                              .count_padding = false},
                             {.planes = 2,
                              .y = {.in = 7, .out = 3, .adaptive = true},
                              .x = {.in = 5, .out = 8, .adaptive = true}}};

TEST_P(Pooling, OfMaximaAgreesWithTheCpu) {
  for_each_float_type([]<typename T>(Type<T>) {
    for (const PoolShape& shape : kShapes) {
      const int64_t outputs = shape.planes * shape.out_size();
      Both<T> out(outputs), in = some_numbers<T>(shape.planes * shape.in_size(), 1);
      Both<T> grad_out = some_numbers<T>(outputs, 2), grad_in = some_numbers<T>(in.size(), 3);
      Both<int32_t> indices(outputs);
      on_both([&](auto place, auto at) {
        kernels::max_pool_forward(place, at(out), at(indices), at(in), shape);
        kernels::max_pool_backward(place, at(grad_in), at(grad_out), at(indices), shape, true);
      });
      expect_same_bits(out);
      expect_same_bits(indices);
      expect_agreement(grad_in, 4 * kTolerance<T>);
    }
  });
}

TEST_P(Pooling, OfAveragesAgreesWithTheCpu) {
  for_each_float_type([]<typename T>(Type<T>) {
    for (const PoolShape& shape : kShapes) {
      const int64_t outputs = shape.planes * shape.out_size();
      Both<T> out(outputs), in = some_numbers<T>(shape.planes * shape.in_size(), 1);
      Both<T> grad_out = some_numbers<T>(outputs, 2), grad_in = some_numbers<T>(in.size(), 3);
      on_both([&](auto place, auto at) {
        kernels::average_pool_forward(place, at(out), at(in), shape);
        kernels::average_pool_backward(place, at(grad_in), at(grad_out), shape, true);
      });
      expect_agreement(out);
      expect_agreement(grad_in, 4 * kTolerance<T>);
    }
  });
}

}  // namespace
}  // namespace ripieno::testing
