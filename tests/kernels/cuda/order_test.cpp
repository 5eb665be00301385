#include "ripieno/kernels/order.h"

#include "kernel_test.h"

namespace ripieno::testing {
namespace {

class Order : public KernelTest {};
INSTANTIATE_TEST_SUITE_P(Cuda, Order, device_runs(), run_name);

using kernels::IntegerReduction;

template <typename T>
Both<T> numbers_with_ties(int64_t size) {
  Both<T> numbers = some_numbers<T>(size, 1);
  for (int64_t i = 0; i < size; i += 3) numbers.host()[i] = static_cast<T>(0.5f);
  numbers.host()[size / 2] = static_cast<T>(std::nanf(""));
  numbers.update_device();
  return numbers;
}

TEST_P(Order, SortedRowsAndPositionsAgreeWithTheCpu) {
  for_each_float_type([]<typename T>(Type<T>) {
    for (const int64_t cols : {1, 2, 33, 64}) {
      for (const bool descending : {false, true}) {
        Both<T> in = numbers_with_ties<T>(3 * cols), values(3 * cols);
        Both<int64_t> order(3 * cols);
        Both<unsigned char> workspace(
            static_cast<int64_t>(kernels::sort_rows_workspace<T>(OnCuda{}, 3, cols)));
        on_both([&](auto place, auto at) {
          kernels::sort_rows(place, at(values), at(order), at(workspace), at(in), 3, cols,
                             descending);
        });
        expect_same_bits(values);
        expect_same_bits(order);
      }
    }
  });
}

TEST_P(Order, ExtremesAndSumsAgreeWithTheCpu) {
  const kernels::ReduceShape shape{2, 70, 3};
  for_each_float_type([&]<typename T>(Type<T>) {
    Both<T> in = numbers_with_ties<T>(420), plain = some_numbers<T>(420, 2), sums(420), back(420);
    Both<int64_t> largest(6), smallest(6);
    on_both([&](auto place, auto at) {
      kernels::argument_of_extreme(place, at(largest), at(in), shape, false);
      kernels::argument_of_extreme(place, at(smallest), at(in), shape, true);
      kernels::cumulative_sum(place, at(sums), at(plain), shape, false);
      kernels::cumulative_sum(place, at(back), at(plain), shape, true);
    });
    expect_same_bits(largest);
    expect_same_bits(smallest);
    expect_agreement(sums, 4 * kTolerance<T>);
    expect_agreement(back, 4 * kTolerance<T>);
  });
}

TEST_P(Order, ReductionsOfIntegersAgreeWithTheCpu) {
  for (const int64_t axis : {0, 1, 33, 1001}) {
    Both<int64_t> in(2 * axis * 3), out(6);
    for (int64_t i = 0; i < in.size(); ++i) in.host()[i] = (i + 1) * 0x123456789abcdef;
    in.update_device();
    for (int i = 0; i <= static_cast<int>(IntegerReduction::kMinimum); ++i) {
      on_both([&](auto place, auto at) {
        kernels::reduce_integers(place, at(out), at(in), {2, axis, 3},
                                 static_cast<IntegerReduction>(i));
      });
      expect_same_bits(out);
    }
  }
}

}  // namespace
}  // namespace ripieno::testing
