#include "kernel_test.h"
#include "ripieno/kernels/elementwise.h"

namespace ripieno::testing {
namespace {

class Strided : public KernelTest {};
INSTANTIATE_TEST_SUITE_P(Cuda, Strided, device_runs(), run_name);

using kernels::StridedShape;

// The output is (2, 7, 5): a is transposed, b is a broadcast row.
constexpr StridedShape kBroadcast{
    .rank = 3, .sizes = {2, 7, 5}, .strides_a = {35, 1, 7}, .strides_b = {0, 0, 1}};
constexpr StridedShape kScalar{.rank = 0};
constexpr StridedShape kRowsOf48{.rank = 2, .sizes = {5, 48}, .strides_a = {64, 1}};
constexpr int64_t kSize = 70;

TEST_P(Strided, BinaryBroadcastsLikeTheCpu) {
  for_each_float_type([]<typename T>(Type<T>) {
    Both<T> out(kSize), a = some_numbers<T>(kSize, 1), b = some_numbers<T>(5, 2);
    on_both([&](auto place, auto at) {
      kernels::binary_strided(place, at(out), at(a), at(b), kBroadcast, kernels::Binary::kSubtract);
    });
    expect_agreement(out);
  });
}

// Rows of whole vectors, where one operand repeats a row for all rows, or one element for each row,
// or is not aligned to a vector.
TEST_P(Strided, RowsOfVectorsAreReadLikeOnTheCpu) {
  constexpr int64_t kRows = 3, kCols = 32;
  for_each_float_type([]<typename T>(Type<T>) {
    for (const StridedShape& shape : {StridedShape{2, {kRows, kCols}, {48, 1}, {0, 1}},
                                      {2, {kRows, kCols}, {1, 0}, {40, 1}},
                                      {2, {kRows, kCols}, {33, 1}, {0, 0}},
                                      {2, {kRows, kCols}, {32, 1}, {1, 3}}}) {
      for (const int64_t begin : {0, 1}) {
        Both<T> out(kRows * kCols), a = some_numbers<T>(200, 1), b = some_numbers<T>(200, 2, 1, 2);
        on_both([&](auto place, auto at) {
          kernels::binary_strided(place, at(out), at(a) + begin, at(b), shape,
                                  kernels::Binary::kDivide);
        });
        expect_agreement(out);
      }
    }
  });
}

TEST_P(Strided, AScalarIsOneElement) {
  Both<float> out(1), a{2.0f}, b{3.0f};
  on_both([&](auto place, auto at) {
    kernels::binary_strided(place, at(out), at(a), at(b), kScalar, kernels::Binary::kMultiply);
  });
  expect_same_bits(out);
  EXPECT_EQ(out.from_device()[0], 6.0f);
}

TEST_P(Strided, CopiesMoveEachWordLikeTheCpu) {
  const auto check = []<typename Word>(Word) {
    Both<Word> in(kSize), gathered(kSize), scattered(2 * kSize);
    for (int64_t i = 0; i < kSize; ++i) in.host()[i] = static_cast<Word>(i * 0x0123456789abcdefu);
    in.update_device();
    on_both([&](auto place, auto at) {
      kernels::copy_strided(place, at(gathered), at(in), kBroadcast);
      kernels::copy_to_strided(place, at(scattered) + 3, at(in), kBroadcast);
    });
    expect_same_bits(gathered);
    expect_same_bits(scattered);  // elements outside the destination are unchanged
  };
  check(uint8_t{});
  check(uint16_t{});
  check(uint32_t{});
  check(uint64_t{});
}

TEST_P(Strided, CopiesMoveVectorsOfContiguousRows) {
  const auto check = []<typename Word>(Word) {
    for (const int64_t begin : {0, 1}) {
      Both<Word> in(321), gathered(240), scattered(321);
      for (int64_t i = 0; i < 321; ++i) in.host()[i] = static_cast<Word>(i * 0x0123456789abcdefu);
      in.update_device();
      on_both([&](auto place, auto at) {
        kernels::copy_strided(place, at(gathered), at(in) + begin, kRowsOf48);
        kernels::copy_to_strided(place, at(scattered) + begin, at(in), kRowsOf48);
      });
      expect_same_bits(gathered);
      expect_same_bits(scattered);
    }
  };
  check(uint8_t{});
  check(uint16_t{});
  check(uint32_t{});
  check(uint64_t{});
}

}  // namespace
}  // namespace ripieno::testing
