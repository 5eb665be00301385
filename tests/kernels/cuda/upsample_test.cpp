#include "ripieno/kernels/upsample.h"

#include "kernel_test.h"

namespace ripieno::testing {
namespace {

using kernels::UpsampleShape;
using kernels::Upsampling;

class Upsample : public KernelTest {};
INSTANTIATE_TEST_SUITE_P(Cuda, Upsample, device_runs(), run_name);

TEST_P(Upsample, AgreesWithTheCpuInBothDirections) {
  for_each_float_type([]<typename T>(Type<T>) {
    for (const Upsampling mode :
         {Upsampling::kNearest, Upsampling::kBilinear, Upsampling::kBilinearCorners}) {
      for (const UpsampleShape& shape : {UpsampleShape{3, 5, 7, 11, 13}, {3, 11, 13, 4, 5}}) {
        const int64_t outputs = shape.planes * shape.out_y * shape.out_x;
        Both<T> out(outputs), in = some_numbers<T>(shape.planes * shape.in_y * shape.in_x, 1);
        Both<T> grad_out = some_numbers<T>(outputs, 2), grad_in = some_numbers<T>(in.size(), 3);
        on_both([&](auto place, auto at) {
          kernels::upsample_forward(place, at(out), at(in), shape, mode);
          kernels::upsample_backward(place, at(grad_in), at(grad_out), shape, mode, true);
        });
        expect_agreement(out);
        expect_agreement(grad_in, 8 * kTolerance<T>);
      }
    }
  });
}

}  // namespace
}  // namespace ripieno::testing
