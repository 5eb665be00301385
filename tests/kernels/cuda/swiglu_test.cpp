#include "ripieno/kernels/swiglu.h"

#include "kernel_test.h"

namespace ripieno::testing {
namespace {

class Swiglu : public KernelTest {};
INSTANTIATE_TEST_SUITE_P(Cuda, Swiglu, device_runs(), run_name);

TEST_P(Swiglu, AndItsGradientsAgreeWithTheCpu) {
  for_each_float_type([]<typename T>(Type<T>) {
    for (const int64_t size : kSizes) {
      Both<T> out(size), gate = some_numbers<T>(size, 1, -8, 8), up = some_numbers<T>(size, 2);
      Both<T> grad_gate(size), grad_up(size), grad_out = some_numbers<T>(size, 3);
      on_both([&](auto place, auto at) {
        kernels::swiglu_forward(place, at(out), at(gate), at(up), size);
        kernels::swiglu_backward(place, at(grad_gate), at(grad_up), at(grad_out), at(gate), at(up),
                                 size);
      });
      expect_agreement(out);
      expect_agreement(grad_gate);
      expect_agreement(grad_up);
    }
  });
}

}  // namespace
}  // namespace ripieno::testing
