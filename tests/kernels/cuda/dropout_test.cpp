#include "ripieno/kernels/dropout.h"

#include "kernel_test.h"

namespace ripieno::testing {
namespace {

class Dropout : public KernelTest {};
INSTANTIATE_TEST_SUITE_P(Cuda, Dropout, device_runs(), run_name);

TEST_P(Dropout, DropsTheSameElementsAsTheCpuFromAnyOffset) {
  for_each_float_type([]<typename T>(Type<T>) {
    for (const int64_t offset : {int64_t{0}, int64_t{7}, int64_t{1} << 33}) {
      const int64_t size = 1001;
      Both<T> out(size), in = some_numbers<T>(size, 1, 1, 2);
      Both<kernels::RandomKey> key{kernels::RandomKey{.seed = 1, .stream = 2, .step = 3}};
      on_both([&](auto place, auto at) {
        kernels::dropout(place, at(out), at(in), size, {0.3, at(key), offset});
      });
      expect_same_bits(out);
    }
  });
}

}  // namespace
}  // namespace ripieno::testing
