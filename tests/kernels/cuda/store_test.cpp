#include "ripieno/kernels/store.h"

#include "kernel_test.h"
#include "ripieno/kernels/optimizer.h"
#include "ripieno/kernels/philox.h"
#include "ripieno/kernels/random.h"

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

TEST_P(Store, DerivesTheKeyOfAStreamFromThatOfTheStep) {
  Both<kernels::RandomKey> step(1), key(1);
  on_both([&](auto place, auto at) {
    kernels::store(place, at(step), {.seed = 7, .stream = 0, .step = 9});
    kernels::key_of_stream(place, at(key), at(step), 1u << 31);
  });
  expect_same_bits(key);
  EXPECT_EQ(key.host()->seed, 7u);
  EXPECT_EQ(key.host()->stream, 1u << 31);
  EXPECT_EQ(key.host()->step, 9u);
}

}  // namespace
}  // namespace ripieno::testing
