#include "ripieno/kernels/element_types.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace ripieno::kernels {
namespace {

template <typename T>
T from_bits(uint32_t bits) {
  T value;
  value.bits = static_cast<uint16_t>(bits);
  return value;
}

// Every 16-bit pattern except NaN is unchanged after conversion to float and back.
template <typename T>
void expect_round_trips() {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const float wide = static_cast<float>(from_bits<T>(bits));
    if (std::isnan(wide)) {
      ASSERT_TRUE(std::isnan(static_cast<float>(T(wide))));
    } else {
      ASSERT_EQ(T(wide).bits, bits);
    }
  }
}

// The midpoint of two adjacent numbers rounds to the even one; values beside it to the nearer one.
template <typename T>
void expect_rounds_to_nearest_even(uint32_t infinity) {
  for (uint32_t bits = 0; bits + 1 < infinity; ++bits) {
    const double low = static_cast<float>(from_bits<T>(bits));
    const double high = static_cast<float>(from_bits<T>(bits + 1));
    const float middle = static_cast<float>((low + high) / 2);
    ASSERT_EQ(T(middle).bits, bits + (bits & 1));
    ASSERT_EQ(T(std::nextafter(middle, 0.0f)).bits, bits);
    ASSERT_EQ(T(std::nextafter(middle, INFINITY)).bits, bits + 1);
  }
}

TEST(Bfloat16, SurvivesTheRoundTripThroughFloat) { expect_round_trips<bfloat16>(); }
TEST(Float16, SurvivesTheRoundTripThroughFloat) { expect_round_trips<float16>(); }

TEST(Bfloat16, RoundsToNearestEven) { expect_rounds_to_nearest_even<bfloat16>(0x7f80); }
TEST(Float16, RoundsToNearestEven) { expect_rounds_to_nearest_even<float16>(0x7c00); }

TEST(Float16, OverflowsToInfinityHalfwayPastTheLargest) {
  EXPECT_EQ(static_cast<float>(float16(65519.996f)), 65504.0f);
  EXPECT_EQ(static_cast<float>(float16(65520.0f)), INFINITY);
  EXPECT_EQ(static_cast<float>(float16(-1e30f)), -INFINITY);
}

TEST(Bfloat16, PreservesInfinityAndOverflowsToIt) {
  EXPECT_EQ(static_cast<float>(bfloat16(-INFINITY)), -INFINITY);
  EXPECT_EQ(static_cast<float>(bfloat16(std::numeric_limits<float>::max())), INFINITY);
}

}  // namespace
}  // namespace ripieno::kernels
