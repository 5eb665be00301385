#include "ripieno/kernels/scale.h"

#include "kernel_test.h"

namespace ripieno::testing {
namespace {

class Scale : public KernelTest {};
INSTANTIATE_TEST_SUITE_P(Cuda, Scale, device_runs(), run_name);

template <typename T, typename From>
void check(int64_t size, bool accumulate) {
  using A = accumulator_t<T>;
  Both<T> out = some_numbers<T>(size, 1);
  Both<From> in = some_numbers<From>(size, 2);
  Both<A> factor{A(3)};
  on_both([&](auto place, auto at) {
    kernels::scale_by(place, at(out), at(in), at(factor), size, 0.125, accumulate);
  });
  expect_agreement(out);
}

TEST_P(Scale, AgreesWithTheCpu) {
  for_each_float_type([]<typename T>(Type<T>) {
    for (const int64_t size : {1, 31, 32, 33, 1001, 4096}) {
      for (const bool accumulate : {false, true}) {
        check<T, T>(size, accumulate);
        check<T, accumulator_t<T>>(size, accumulate);
      }
    }
  });
}

}  // namespace
}  // namespace ripieno::testing
