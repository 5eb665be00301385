#include "ripieno/kernels/convolution.h"

#include "kernel_test.h"

namespace ripieno::testing {
namespace {

using kernels::ConvolutionAxis;
using kernels::ConvolutionShape;

class Convolution : public KernelTest {};
INSTANTIATE_TEST_SUITE_P(Cuda, Convolution, device_runs(), run_name);

ConvolutionAxis axis(int64_t in, int64_t kernel, int64_t stride, int64_t padding,
                     int64_t dilation) {
  const int64_t out = (in + 2 * padding - (kernel - 1) * dilation - 1) / stride + 1;
  return {in, out, kernel, stride, padding, dilation};
}

const ConvolutionShape kShape{.batch = 3,
                              .inputs = 4,
                              .outputs = 6,
                              .groups = 2,
                              .y = axis(7, 3, 2, 1, 1),
                              .x = axis(9, 2, 1, 2, 2)};

TEST_P(Convolution, ForwardAgreesWithTheCpu) {
  for_each_float_type([]<typename T>(Type<T>) {
    Both<T> out(kShape.batch * kShape.outputs * kShape.out_size());
    Both<T> in = some_numbers<T>(kShape.batch * kShape.inputs * kShape.in_size(), 1);
    Both<T> weight = some_numbers<T>(kShape.weights(), 2), bias = some_numbers<T>(6, 3);
    on_both([&](auto place, auto at) {
      kernels::convolution_forward(place, at(out), at(in), at(weight), at(bias), kShape);
    });
    expect_agreement(out, 40 * kTolerance<T>);
  });
}

TEST_P(Convolution, GradientsAgreeWithTheCpuAndAddUp) {
  for_each_float_type([]<typename T>(Type<T>) {
    for (const bool accumulate : {false, true}) {
      Both<T> in = some_numbers<T>(kShape.batch * kShape.inputs * kShape.in_size(), 1);
      Both<T> weight = some_numbers<T>(kShape.weights(), 2);
      Both<T> grad_out = some_numbers<T>(kShape.batch * kShape.outputs * kShape.out_size(), 3);
      Both<T> grad_in = some_numbers<T>(in.size(), 4),
              grad_weight = some_numbers<T>(kShape.weights(), 5);
      Both<double> workspace(kernels::convolution_workspace(kernels::OnCpu{}, kShape));
      on_both([&](auto place, auto at) {
        kernels::convolution_input_gradient(place, at(grad_in), at(grad_out), at(weight), kShape,
                                            accumulate);
        kernels::convolution_weight_gradient(place, at(grad_weight),
                                             static_cast<void*>(at(workspace)), at(grad_out),
                                             at(in), kShape, accumulate);
      });
      expect_agreement(grad_in, 40 * kTolerance<T>);
      expect_agreement(grad_weight, 100 * kTolerance<T>);
    }
  });
}

}  // namespace
}  // namespace ripieno::testing
