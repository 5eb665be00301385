#include "ripieno/kernels/functions.h"

#include "kernel_test.h"

namespace ripieno::testing {
namespace {

class Functions : public KernelTest {};
INSTANTIATE_TEST_SUITE_P(Cuda, Functions, device_runs(), run_name);

using kernels::Function;
using kernels::FunctionOf;
using kernels::Pair;

constexpr int kFunctions = static_cast<int>(Function::kSquaredRelu) + 1;
constexpr int kPairs = static_cast<int>(Pair::kGlu) + 1;

TEST_P(Functions, OfOneTensorAndTheirDerivativesAgreeWithTheCpu) {
  for_each_float_type([]<typename T>(Type<T>) {
    for (int i = 0; i < kFunctions; ++i) {
      SCOPED_TRACE(i);
      const FunctionOf function{static_cast<Function>(i), 0.75, 1.5};
      Both<T> in = some_numbers<T>(1001, 1, 0.1, 0.9), out(1001), grad_in(1001);
      Both<T> grad_out = some_numbers<T>(1001, 2);
      on_both([&](auto place, auto at) {
        kernels::function_forward(place, at(out), at(in), 1001, function);
        kernels::function_backward(place, at(grad_in), at(grad_out), at(in), 1001, function);
      });
      expect_agreement(out);
      expect_agreement(grad_in);
    }
  });
}

TEST_P(Functions, OfTwoTensorsAndTheirDerivativesAgreeWithTheCpu) {
  for_each_float_type([]<typename T>(Type<T>) {
    for (int i = 0; i < kPairs; ++i) {
      SCOPED_TRACE(i);
      const auto pair = static_cast<Pair>(i);
      Both<T> a = some_numbers<T>(33, 1, 0.1, 2.0), b = some_numbers<T>(33, 2, 2.1, 3.0);
      Both<T> grad_out = some_numbers<T>(33, 3), out(33), grad_a(33), grad_b(33);
      on_both([&](auto place, auto at) {
        kernels::pair_forward(place, at(out), at(a), at(b), 33, pair, 0.25);
        kernels::pair_backward(place, at(grad_a), at(grad_out), at(a), at(b), 33, pair, false,
                               0.25);
        kernels::pair_backward(place, at(grad_b), at(grad_out), at(a), at(b), 33, pair, true, 0.25);
      });
      expect_agreement(out);
      expect_agreement(grad_a);
      expect_agreement(grad_b);
    }
  });
}

}  // namespace
}  // namespace ripieno::testing
