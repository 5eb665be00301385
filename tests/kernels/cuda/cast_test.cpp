#include "kernel_test.h"
#include "ripieno/kernels/elementwise.h"

namespace ripieno::testing {
namespace {

class Casts : public KernelTest {};
INSTANTIATE_TEST_SUITE_P(Cuda, Casts, device_runs(), run_name);

template <typename Body>
void for_each_type(Body body) {
  for_each_float_type(body);
  body(Type<int64_t>{});
  body(Type<int32_t>{});
  body(Type<uint8_t>{});
  body(Type<bool>{});
}

TEST_P(Casts, AreBitwiseIdenticalToTheCpuForAllPairsOfTypes) {
  for_each_type([]<typename From>(Type<From>) {
    Both<From> in(200);
    for (int i = 0; i < 200; ++i) {
      if constexpr (kIsFloat<From>) {
        in.host()[i] = static_cast<From>(accumulator_t<From>(0.3f) * accumulator_t<From>(i));
      } else {
        in.host()[i] = static_cast<From>(i);
      }
    }
    in.update_device();
    for_each_type([&]<typename To>(Type<To>) {
      Both<To> out(200);
      on_both([&](auto place, auto at) { kernels::cast(place, at(out), at(in), 200); });
      expect_same_bits(out);
    });
  });
}

// Every 16-bit pattern, and values around it that round. The bits of a NaN may differ.
TEST_P(Casts, To16BitsRoundLikeTheCpu) {
  constexpr int64_t kSize = 3 * 65536;
  Both<float> in(kSize);
  for (uint32_t i = 0; i < kSize; ++i) {
    in.host()[i] = std::bit_cast<float>((i % 65536) << 16 | (0x7fff + i / 65536));
  }
  in.update_device();
  Both<bfloat16> brain(kSize);
  Both<float16> half(kSize);
  on_both([&](auto place, auto at) {
    kernels::cast(place, at(brain), at(in), kSize);
    kernels::cast(place, at(half), at(in), kSize);
  });
  expect_agreement(brain, 0.0);
  expect_agreement(half, 0.0);
}

}  // namespace
}  // namespace ripieno::testing
