#include "ripieno/kernels/channel_norm.h"

#include "kernel_test.h"

namespace ripieno::testing {
namespace {

using kernels::ChannelNormArguments;
using kernels::ChannelNormShape;

class ChannelNorm : public KernelTest {};
INSTANTIATE_TEST_SUITE_P(Cuda, ChannelNorm, device_runs(), run_name);

int64_t statistics_of(const ChannelNormShape& shape) {
  return shape.groups == 0 ? shape.channels : shape.batch * shape.groups;
}

TEST_P(ChannelNorm, AgreesWithTheCpuForBatchesAndGroups) {
  for_each_float_type([]<typename T>(Type<T>) {
    for (const int64_t size : kSizes) {
      for (const int64_t groups : {0, 2}) {
        const ChannelNormShape shape{.batch = 3, .channels = 4, .size = size, .groups = groups};
        const int64_t elements = shape.planes() * size, statistics = statistics_of(shape);
        Both<T> in = some_numbers<T>(elements, 1), out(elements);
        Both<T> grad_out = some_numbers<T>(elements, 2), grad_in = some_numbers<T>(elements, 3);
        Both<T> weight = some_numbers<T>(4, 4), bias = some_numbers<T>(4, 5);
        Both<double> mean = some_numbers<double>(statistics, 6);
        Both<double> inverse = some_numbers<double>(statistics, 7, 0.5, 2);
        Both<double> shift = some_numbers<double>(statistics, 8);
        Both<double> slope = some_numbers<double>(statistics, 9);
        Both<double> sums(shape.planes()), squares(shape.planes()), of_gradient(shape.planes()),
            of_product(shape.planes());
        on_both([&](auto place, auto at) {
          const ChannelNormArguments<T> norm{.in = at(in),
                                             .mean = at(mean),
                                             .inverse_deviation = at(inverse),
                                             .weight = at(weight),
                                             .bias = at(bias),
                                             .shape = shape};
          kernels::plane_sums<T>(place, at(sums), at(in), shape);
          kernels::plane_squares<T>(place, at(squares), at(in), at(mean), shape);
          kernels::channel_norm_forward(place, at(out), norm);
          kernels::channel_norm_gradient_sums<T>(place, at(of_gradient), at(of_product),
                                                 at(grad_out), norm);
          kernels::channel_norm_backward<T>(place, at(grad_in), at(grad_out), at(shift), at(slope),
                                            norm, true);
        });
        expect_agreement(out, 8 * kTolerance<T>);
        expect_agreement(grad_in, 16 * kTolerance<T>);
        for (Both<double>* const of_planes : {&sums, &squares, &of_gradient, &of_product})
          expect_agreement(*of_planes, 2e-4);
      }
    }
  });
}

}  // namespace
}  // namespace ripieno::testing
