#include "ripieno/core/print.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <iomanip>
#include <limits>
#include <sstream>

#include "ripieno/core/tensor_reads.h"

namespace ripieno {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

std::string printed(const Tensor& x) {
  std::ostringstream out;
  out << x;
  return out.str();
}

Tensor counting(const Shape& shape) {
  Tensor x(shape, DType::int32);
  for (int64_t i = 0; i < x.elements(); ++i) x.data<int32_t>()[i] = static_cast<int32_t>(i);
  return x;
}

TEST(Print, PutsOneRowOnALineAndAlignsNumbers) {
  EXPECT_EQ(printed(Tensor::of<float>({2, 3}, {1, 0.5, -2, 10, 1.0f / 3, 1e-9f})),
            "[[       1,      0.5,       -2],\n"
            " [      10, 0.333333,    1e-09]] (2, 3) float32 on cpu");
}

TEST(Print, SeparatesMatricesByAnEmptyLine) {
  EXPECT_EQ(printed(counting({2, 2, 2})),
            "[[[0, 1],\n"
            "  [2, 3]],\n"
            "\n"
            " [[4, 5],\n"
            "  [6, 7]]] (2, 2, 2) int32 on cpu");
}

TEST(Print, HasNoBracketsForAScalar) {
  EXPECT_EQ(printed(Tensor::full({}, 2.5, DType::bfloat16)), "2.5 () bfloat16 on cpu");
}

TEST(Print, ShowsUndefinedAndEmptyTensors) {
  EXPECT_EQ(printed({}), "undefined");
  EXPECT_EQ(printed(Tensor({1000000, 0})), "[] (1000000, 0) float32 on cpu");
}

TEST(Print, ShowsEveryElementType) {
  EXPECT_EQ(printed(Tensor::of<uint8_t>({2}, {7, 255})), "[  7, 255] (2) uint8 on cpu");
  EXPECT_EQ(printed(Tensor::of<int64_t>({1}, {(int64_t{1} << 53) + 1})),
            "[9007199254740993] (1) int64 on cpu");
  EXPECT_EQ(printed(Tensor::of<uint8_t>({2}, {1, 0}).to(DType::boolean)),
            "[ true, false] (2) bool on cpu");
  const float infinity = std::numeric_limits<float>::infinity();
  EXPECT_EQ(printed(Tensor::of<float>({2}, {-infinity, std::numeric_limits<float>::quiet_NaN()})),
            "[-inf,  nan] (2) float32 on cpu");
}

TEST(Print, UsesTheFormatOfTheStreamAndLeavesItAsItWas) {
  std::ostringstream out;
  out << std::fixed << std::setprecision(2) << Tensor::of<float>({2}, {1, 2.125}) << ' ' << 0.125;
  EXPECT_EQ(out.str(), "[1.00, 2.12] (2) float32 on cpu 0.12");
}

TEST(Print, ReadsViewsThatAreNotDense) {
  EXPECT_THAT(printed(counting({2, 3}).transpose(0, 1)),
              StartsWith("[[0, 3],\n [1, 4],\n [2, 5]]"));
}

TEST(Print, BreaksLongRows) {
  EXPECT_EQ(printed(counting({25})),
            "[ 0,  1,  2,  3,  4,  5,  6,  7,  8,  9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19,\n"
            " 20, 21, 22, 23, 24] (25) int32 on cpu");
}

TEST(Print, ShowsAllOfAThousandElements) {
  EXPECT_THAT(printed(counting({10, 100})), Not(HasSubstr("...")));
}

TEST(Print, ShortensMoreThanAThousandElements) {
  EXPECT_EQ(printed(counting({1001})),
            "[   0,    1,    2, ...,  998,  999, 1000] (1001) int32 on cpu");
  EXPECT_EQ(printed(counting({1001, 2})),
            "[[   0,    1],\n"
            " [   2,    3],\n"
            " [   4,    5],\n"
            " ...,\n"
            " [1996, 1997],\n"
            " [1998, 1999],\n"
            " [2000, 2001]] (1001, 2) int32 on cpu");
  EXPECT_THAT(printed(counting({7, 200})),
              StartsWith("[[   0,    1,    2, ...,  197,  198,  199],\n"));
}

TEST(Print, RecordsNothing) {
  Tensor x = Tensor::full({2000}, 1.0);
  x.set_requires_gradient();
  TensorReads reads;
  const TensorReads::Tracking tracking(reads);
  printed(x);
  Tensor(x.detach()).fill(2.0);
  EXPECT_NO_THROW(reads.require_unchanged());
}

}  // namespace
}  // namespace ripieno
