#include "ripieno/tools/tensor_difference.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace ripieno::tools {
namespace {

TEST(TensorDifference, IsZeroForIdenticalBits) {
  const Tensor a = Tensor::of<float>({3}, {1, NAN, -0.0f});
  EXPECT_TRUE(difference_of(a, a.clone()).is_bitwise_equal);
}

TEST(TensorDifference, CountsDifferingElementsAndMeasuresThem) {
  std::vector<float> values(100'001, 3.0f);
  const Tensor a = Tensor::of({100'001}, values);
  values.back() = 3.5f;
  values[7] = 1.0f;
  const TensorDifference found = difference_of(a, Tensor::of({100'001}, values));
  EXPECT_FALSE(found.is_bitwise_equal);
  EXPECT_EQ(found.differing, 2);
  EXPECT_EQ(found.largest, 2.0);
  EXPECT_NEAR(found.relative, std::sqrt(4.25 / (9.0 * 100'001)), 1e-12);
}

TEST(TensorDifference, DetectsDifferentBitsOfEqualValues) {
  const TensorDifference zeros =
      difference_of(Tensor::of<float>({1}, {0.0f}), Tensor::of<float>({1}, {-0.0f}));
  EXPECT_FALSE(zeros.is_bitwise_equal);
  EXPECT_EQ(zeros.differing, 0);
  const Tensor a = Tensor::of<float>({2}, {1, 2});
  EXPECT_FALSE(difference_of(a, a.to(DType::bfloat16)).is_bitwise_equal);
  EXPECT_EQ(difference_of(a, a.to(DType::bfloat16)).largest, 0);
}

TEST(TensorDifference, IsInfiniteIfOnlyOneElementIsNaN) {
  const Tensor a = Tensor::of<float>({2}, {1, NAN}), b = Tensor::of<float>({2}, {1, 2});
  EXPECT_TRUE(std::isinf(difference_of(a, b).largest));
  EXPECT_TRUE(std::isinf(difference_of(b, a).relative));
  EXPECT_EQ(difference_of(a, b).differing, 1);
}

}  // namespace
}  // namespace ripieno::tools
