#include "ripieno/kernels/random.h"

#include "kernel_test.h"

namespace ripieno::testing {
namespace {

class Random : public KernelTest {};
INSTANTIATE_TEST_SUITE_P(Cuda, Random, device_runs(), run_name);

constexpr kernels::RandomKey kKey{.seed = 1, .stream = 2, .step = 3};

TEST_P(Random, UniformNumbersAgreeWithTheCpuFromAnyOffset) {
  for_each_float_type([]<typename T>(Type<T>) {
    for (const int64_t offset : {int64_t{0}, int64_t{7}, int64_t{1} << 33}) {
      Both<T> out(1001);
      on_both([&](auto place, auto at) {
        kernels::fill_uniform(place, at(out), 1001, -1.0, 3.0, kKey, offset);
      });
      expect_agreement(out);
    }
  });
}

TEST_P(Random, NormalNumbersAgreeWithTheCpuFromAnyOffset) {
  for_each_float_type([]<typename T>(Type<T>) {
    for (const int64_t offset : {int64_t{0}, int64_t{7}, int64_t{1} << 33}) {
      Both<T> out(1001);
      on_both([&](auto place, auto at) {
        kernels::fill_normal(place, at(out), 1001, 0.5, 2.0, kKey, offset);
      });
      expect_agreement(out);
    }
  });
}

}  // namespace
}  // namespace ripieno::testing
