#include "ripieno/kernels/compare.h"

#include "kernel_test.h"

namespace ripieno::testing {
namespace {

class Compare : public KernelTest {};
INSTANTIATE_TEST_SUITE_P(Cuda, Compare, device_runs(), run_name);

using kernels::Comparison;
using kernels::IntegerOperation;

constexpr int kComparisons = static_cast<int>(Comparison::kIsFinite) + 1;
constexpr int kOperations = static_cast<int>(IntegerOperation::kMinimum) + 1;

TEST_P(Compare, ComparisonsAndSelectionAgreeWithTheCpu) {
  for_each_float_type([]<typename T>(Type<T>) {
    for (int i = 0; i < kComparisons; ++i) {
      SCOPED_TRACE(i);
      Both<T> a = some_numbers<T>(33, 1), b = some_numbers<T>(33, 2), chosen(33);
      for (int k = 0; k < 33; k += 3) b.host()[k] = a.host()[k];
      b.host()[1] = static_cast<T>(std::nanf(""));
      b.update_device();
      Both<bool> with_each(33), with_first(33);
      on_both([&](auto place, auto at) {
        const auto comparison = static_cast<Comparison>(i);
        kernels::compare(place, at(with_each), at(b), at(a), false, 33, comparison);
        kernels::compare(place, at(with_first), at(b), at(a), true, 33, comparison);
      });
      expect_same_bits(with_each);
      expect_same_bits(with_first);
    }
  });
  Both<bool> condition(33);
  for (int k = 0; k < 33; ++k) condition.host()[k] = k % 3 == 0;
  condition.update_device();
  Both<uint32_t> a(33), b{7}, out(33);
  for (uint32_t k = 0; k < 33; ++k) a.host()[k] = k;
  a.update_device();
  on_both([&](auto place, auto at) {
    kernels::select(place, at(out), at(condition), at(a), false, at(b), true, 33);
  });
  expect_same_bits(out);
}

TEST_P(Compare, IntegerArithmeticAgreesWithTheCpuAndDoesNotTrap) {
  const int32_t least = std::numeric_limits<int32_t>::min();
  for (int i = 0; i < kOperations; ++i) {
    SCOPED_TRACE(i);
    Both<int32_t> a{least, least, 7, -7, 7, 2000000000}, b{-1, 0, -2, 2, 0, 2000000000}, out(6);
    on_both([&](auto place, auto at) {
      kernels::integer_binary(place, at(out), at(a), at(b), false, 6,
                              static_cast<IntegerOperation>(i));
    });
    expect_same_bits(out);
  }
}

}  // namespace
}  // namespace ripieno::testing
