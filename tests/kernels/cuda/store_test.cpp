#include "ripieno/kernels/store.h"

#include "kernel_test.h"
#include "ripieno/kernels/optimizer.h"
#include "ripieno/kernels/philox.h"

namespace ripieno::testing {
namespace {

class Store : public KernelTest {};
INSTANTIATE_TEST_SUITE_P(Cuda, Store, device_runs(), run_name);

TEST_P(Store, WritesTheBitsOfTheValue) {
  Both<kernels::StepScalars> scalars(1);
  Both<kernels::RandomKey> key(1);
  on_both([&](auto place, auto at) {
    kernels::store(place, at(scalars), {.learning_rate = 0.5f, .first_correction = 3.0f});
    kernels::store(place, at(key), {.seed = 7, .stream = 1u << 31, .step = 9});
  });
  expect_same_bits(scalars);
  expect_same_bits(key);
  EXPECT_EQ(scalars.host()->first_correction, 3.0f);
  EXPECT_EQ(key.host()->step, 9u);
}

}  // namespace
}  // namespace ripieno::testing
