#include "ripieno/core/tensor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <type_traits>

#include "ripieno/core/autograd.h"
#include "ripieno/core/ops/rearrange.h"

namespace ripieno {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Tensor counting(const Shape& shape) {
  Tensor x(shape);
  for (int64_t i = 0; i < x.elements(); ++i) x.data<float>()[i] = static_cast<float>(i);
  return x;
}

std::string message_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

// x[0] = y and max(x, 0.5) would compile, and not do what they say.
static_assert(std::is_assignable_v<Tensor&, Tensor> && !std::is_assignable_v<Tensor, Tensor>);
static_assert(std::is_convertible_v<int, Axes> && !std::is_convertible_v<double, Axes>);

TEST(Tensor, RefusesAGpuThatCannotExist) {
  for (const int index : {-1, 1 << 30})
    EXPECT_THROW(Tensor::zeros({2}, DType::float32, Device::cuda(index)), Error) << index;
}

TEST(Tensor, ViewsShareMemory) {
  const Tensor x = counting({2, 3});
  x.reshape({3, 2}).data<float>()[5] = 50.0f;
  x.transpose(0, 1).data<float>()[0] = 10.0f;
  x.slice(1, 1, 2).data<float>()[0] = 20.0f;
  EXPECT_THAT(x.to_vector<float>(), ElementsAre(10, 20, 2, 3, 4, 50));
}

TEST(Tensor, TransposeReadsColumns) {
  const Tensor y = counting({2, 3}).transpose(0, 1);
  EXPECT_EQ(y.shape(), (Shape{3, 2}));
  EXPECT_FALSE(y.is_dense());
  EXPECT_THAT(y.to_vector<float>(), ElementsAre(0, 3, 1, 4, 2, 5));
}

TEST(Tensor, SliceOfATransposeReadsTheRightNumbers) {
  const Tensor y = counting({2, 3, 4}).transpose(0, 2).slice(1, 1, 3).slice(0, 2, 3);
  EXPECT_THAT(y.to_vector<float>(), ElementsAre(6, 18, 10, 22));
}

TEST(Tensor, AStepBeyondTheAxisTakesTheFirst) {
  constexpr int64_t kLargest = std::numeric_limits<int64_t>::max();
  EXPECT_THAT(counting({4}).slice(0, 1, 4, kLargest).to_vector<float>(), ElementsAre(1));
  EXPECT_THAT(unfold(counting({4}), 0, 3, kLargest).to_vector<float>(), ElementsAre(0, 1, 2));
}

TEST(Tensor, ExpandRepeatsWithoutCopying) {
  const Tensor x = counting({3, 1});
  const Tensor y = x.expand({2, 3, 2});
  EXPECT_EQ(y.raw_data(), x.raw_data());
  EXPECT_THAT(y.to_vector<float>(), ElementsAre(0, 0, 1, 1, 2, 2, 0, 0, 1, 1, 2, 2));
}

TEST(Tensor, ReshapeInfersOneSize) {
  EXPECT_EQ(counting({4, 6}).reshape({2, -1, 3}).shape(), (Shape{2, 4, 3}));
  EXPECT_THAT(message_of([] { counting({4, 6}).reshape({5, -1}); }), HasSubstr("(4, 6)"));
}

TEST(Tensor, ReshapeOfAViewThatIsNotDenseCopies) {
  const Tensor y = counting({2, 3}).transpose(0, 1).reshape({6});
  EXPECT_THAT(y.to_vector<float>(), ElementsAre(0, 3, 1, 4, 2, 5));
}

TEST(Tensor, CopyFromWritesThroughAView) {
  Tensor x = Tensor::zeros({2, 3});
  x.slice(1, 1, 3).copy_from(Tensor::of<float>({2, 2}, {1, 2, 3, 4}));
  EXPECT_THAT(x.to_vector<float>(), ElementsAre(0, 1, 2, 0, 3, 4));
}

TEST(Tensor, CastsBetweenAllElementTypes) {
  const DType all[] = {DType::float32, DType::bfloat16, DType::float16, DType::float64,
                       DType::int64,   DType::int32,    DType::uint8,   DType::boolean};
  for (const DType from : all) {
    for (const DType to : all) {
      const Tensor x = Tensor::of<float>({3}, {0, 1, 1}).to(from).to(to);
      EXPECT_THAT(x.to(DType::float32).to_vector<float>(), ElementsAre(0, 1, 1))
          << name_of(from) << " to " << name_of(to);
    }
  }
}

TEST(Tensor, SixteenBitTypesRoundToNearestEven) {
  EXPECT_EQ(bfloat16(1.00390625f).bits, 0x3f80);    // a tie, to even
  EXPECT_EQ(bfloat16(1.01171875f).bits, 0x3f82);    // a tie, to even
  EXPECT_EQ(float16(1.00048828125f).bits, 0x3c00);  // a tie, to even
  EXPECT_EQ(float16(65519.0f).bits, 0x7bff);
  EXPECT_EQ(float16(65520.0f).bits, 0x7c00);
  EXPECT_EQ(float16(0x1p-24f).bits, 0x0001);
  EXPECT_EQ(static_cast<float>(float16(0x1p-24f)), 0x1p-24f);
  EXPECT_TRUE(std::isnan(static_cast<float>(float16(std::nanf("")))));
  EXPECT_TRUE(std::isnan(static_cast<float>(bfloat16(std::nanf("")))));
}

TEST(Tensor, Every16BitPatternSurvivesConversionToFloat) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    float16 half;
    half.bits = static_cast<uint16_t>(bits);
    bfloat16 brain;
    brain.bits = static_cast<uint16_t>(bits);
    if (!std::isnan(static_cast<float>(half))) {
      ASSERT_EQ(float16(static_cast<float>(half)).bits, bits);
    }
    if (!std::isnan(static_cast<float>(brain))) {
      ASSERT_EQ(bfloat16(static_cast<float>(brain)).bits, bits);
    }
  }
}

TEST(Tensor, MessagesNameTheProblem) {
  EXPECT_THAT(message_of([] { (void)counting({2}).data<double>(); }), HasSubstr("float32"));
  EXPECT_THAT(message_of([] { counting({2, 2}).slice(0, 1, 4); }), HasSubstr("[1, 4)"));
  EXPECT_THAT(message_of([] { counting({2, 2}).expand({3, 2}); }), HasSubstr("(3, 2)"));
  EXPECT_THAT(message_of([] { (void)counting({2}).size(1); }), HasSubstr("no axis 1"));
  EXPECT_THAT(message_of([] { (void)counting({2}).item(); }), HasSubstr("(2)"));
  EXPECT_THAT(message_of([] {
                (void)Shape({int64_t{1} << 40, int64_t{1} << 40}).elements();
              }),
              HasSubstr("does not fit 63 bits"));
}

TEST(Tensor, RejectsAnElementTypeThatDoesNotExist) {
  const auto wrong = static_cast<DType>(99);
  EXPECT_THAT(message_of([&] { counting({2}).to(wrong); }), HasSubstr("element type number 99"));
  EXPECT_THAT(message_of([&] { Tensor({0}, wrong); }), HasSubstr("element type number 99"));
  EXPECT_THAT(message_of([&] { (void)name_of(wrong); }), HasSubstr("element type number 99"));
}

TEST(Tensor, IsEmptyIfAnAxisIsEmpty) {
  const Tensor x({0, 3});
  EXPECT_EQ(x.elements(), 0);
  EXPECT_THAT(x.to_vector<float>(), ElementsAre());
  EXPECT_EQ(x.transpose(0, 1).dense().shape(), (Shape{3, 0}));
}

TEST(Tensor, RejectsInPlaceChangesWhileRecording) {
  Tensor x = counting({2});
  x.set_requires_gradient();
  EXPECT_THAT(message_of([&] { x.fill(0.0); }), HasSubstr("NoGrad"));
  const NoGrad no_grad;
  EXPECT_NO_THROW(x.fill(0.0));
}

TEST(Tensor, CopiesBetweenViewsThatOverlap) {
  Tensor x = counting({3, 3});
  x.transpose(0, 1).copy_from(x);
  EXPECT_THAT(x.to_vector<float>(), ElementsAre(0, 3, 6, 1, 4, 7, 2, 5, 8));
  Tensor y = counting({5});
  y.slice(0, 1, 5).copy_from(y.slice(0, 0, 4));
  EXPECT_THAT(y.to_vector<float>(), ElementsAre(0, 0, 1, 2, 3));
  Tensor z = counting({2, 4});
  z.slice(1, 0, 3).copy_from(z.slice(1, 1, 4));
  EXPECT_THAT(z.to_vector<float>(), ElementsAre(1, 2, 3, 3, 5, 6, 7, 7));
}

TEST(Tensor, AddsViewsThatOverlapAsIfTheyWereCopied) {
  const Tensor x = counting({6});
  x.slice(0, 1, 6) += x.slice(0, 0, 5);
  EXPECT_THAT(x.to_vector<float>(), ElementsAre(0, 1, 3, 5, 7, 9));
  Tensor y = counting({2, 2});
  y += y.transpose(0, 1);
  EXPECT_THAT(y.to_vector<float>(), ElementsAre(0, 3, 3, 6));
  y += y;
  EXPECT_THAT(y.to_vector<float>(), ElementsAre(0, 6, 6, 12));
}

TEST(Tensor, RejectsWritesToElementsThatShareMemory) {
  Tensor x = counting({3, 1}).expand({3, 2});
  EXPECT_THAT(message_of([&] { x.copy_from(counting({3, 2})); }), HasSubstr("axis 1"));
  Tensor windows = unfold(counting({5}), 0, 3, 1);
  EXPECT_THAT(message_of([&] { windows += 1.0; }), HasSubstr("windows that overlap"));
  Tensor apart = unfold(counting({6}), 0, 3, 3).transpose(0, 1);
  EXPECT_NO_THROW(apart += 1.0);
}

TEST(Tensor, RejectsSizesBeyond63Bits) {
  EXPECT_THAT(message_of([] { Tensor({(int64_t{1} << 62) + 1}); }), HasSubstr("float32"));
  EXPECT_THAT(message_of([] { Tensor({int64_t{1} << 60}); }), HasSubstr("more than any device"));
  EXPECT_THAT(message_of([] { Tensor({int64_t{1} << 60}, DType::float64); }),
              HasSubstr("does not fit 63 bits"));
  EXPECT_THAT(message_of([] {
                counting({4}).reshape({int64_t{1} << 62, -1, 4});
              }),
              HasSubstr("does not fit 63 bits"));
  EXPECT_EQ(Tensor({0, int64_t{1} << 40, int64_t{1} << 40}).bytes(), 0u);
}

TEST(Tensor, ThrowsIfItIsUndefined) {
  const std::function<void()> calls[] = {
      [] { (void)Tensor().shape(); },
      [] { (void)Tensor().size(0); },
      [] { (void)Tensor().dtype(); },
      [] { (void)Tensor().data<float>(); },
      [] { (void)Tensor().to_vector<float>(); },
      [] { (void)Tensor().item(); },
      [] { (void)Tensor().reshape({1}); },
      [] { (void)Tensor().slice(0, 0, 1); },
      [] { (void)Tensor().transpose(0, 1); },
      [] { (void)Tensor().expand({2}); },
      [] { (void)Tensor().dense(); },
      [] { (void)Tensor().clone(); },
      [] { (void)Tensor().to(DType::float64); },
      [] { (void)Tensor().to(Device::cpu()); },
      [] { Tensor().fill(0.0); },
      [] { Tensor().copy_from(counting({1})); },
      [] { counting({1}).copy_from({}); },
      [] { (void)Tensor().requires_gradient(); },
      [] { Tensor().set_requires_gradient(); },
      [] { (void)Tensor().gradient(); },
      [] { Tensor().clear_gradient(); },
      [] { Tensor().backward(); },
      [] { Tensor().on_gradient([] {}); },
      [] { (void)Tensor().detach(); },
      [] { (void)counting({1}).gradient().item(); },
  };
  for (const auto& call : calls) EXPECT_THAT(message_of(call), HasSubstr("undefined"));
  EXPECT_FALSE(Tensor().is_exclusive());
}

TEST(Tensor, IsNotFilledWithNumbersThatItsTypeCannotHold) {
  for (const double value : {-1.0, 256.0, std::nan("")}) {
    EXPECT_THAT(message_of([=] { (void)Tensor::full({2}, value, DType::uint8); }),
                HasSubstr("outside the range of uint8"));
  }
  EXPECT_THAT(message_of([] { (void)Tensor::full({2}, 0x1p63, DType::int64); }),
              HasSubstr("outside the range of int64"));
  EXPECT_EQ(Tensor::full({1}, -0x1p63, DType::int64).to_vector<int64_t>()[0],
            std::numeric_limits<int64_t>::min());
  EXPECT_EQ(Tensor::full({1}, 255.9, DType::uint8).item(), 255.0);
}

TEST(Tensor, CountsInPlaceWrites) {
  Tensor x = counting({2, 2});
  const uint64_t before = x.version();
  const Tensor column = x.slice(1, 0, 1);
  x.fill(1.0);
  EXPECT_GT(column.version(), before);
  EXPECT_EQ(column.version(), x.version());
  EXPECT_EQ(x.clone().version(), 0u);
}

}  // namespace
}  // namespace ripieno
