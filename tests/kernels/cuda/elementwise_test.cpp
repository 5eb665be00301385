#include "ripieno/kernels/elementwise.h"

#include "kernel_test.h"

namespace ripieno::testing {
namespace {

class Elementwise : public KernelTest {};
INSTANTIATE_TEST_SUITE_P(Cuda, Elementwise, device_runs(), run_name);

using kernels::Binary;
using kernels::Unary;

#define UNARY(name, ...) Unary::k##name,
#define BINARY(name, ...) Binary::k##name,
constexpr Unary kUnaries[] = {RIPIENO_UNARY_FORMULAS(UNARY)};
constexpr Binary kBinaries[] = {RIPIENO_BINARY_FORMULAS(BINARY)};

TEST_P(Elementwise, UnaryAgreesWithTheCpu) {
  for_each_float_type([]<typename T>(Type<T>) {
    for (const int64_t size : kSizes) {
      for (const Unary op : kUnaries) {
        Both<T> out(size), in = some_numbers<T>(size, 1, 0.25, 4);
        on_both([&](auto place, auto at) { kernels::unary(place, at(out), at(in), size, op); });
        expect_agreement(out);
      }
    }
  });
}

TEST_P(Elementwise, UnaryBackwardAgreesWithTheCpu) {
  for_each_float_type([]<typename T>(Type<T>) {
    for (const Unary op : kUnaries) {
      Both<T> gradient = some_numbers<T>(33, 1), in = some_numbers<T>(33, 2, 0.25, 4);
      on_both([&](auto place, auto at) {
        kernels::unary_backward(place, at(gradient), at(gradient), at(in), 33, op);
      });
      expect_agreement(gradient);
    }
  });
}

TEST_P(Elementwise, BinaryAgreesWithTheCpu) {
  for_each_float_type([]<typename T>(Type<T>) {
    for (const int64_t size : kSizes) {
      for (const Binary op : kBinaries) {
        Both<T> a = some_numbers<T>(size, 1), b = some_numbers<T>(size, 2, 0.5, 2);
        on_both(
            [&](auto place, auto at) { kernels::binary(place, at(a), at(a), at(b), size, op); });
        expect_agreement(a);
      }
    }
  });
}

TEST_P(Elementwise, AffineAgreesWithTheCpu) {
  for_each_float_type([]<typename T>(Type<T>) {
    for (const int64_t size : kSizes) {
      Both<T> out(size), in = some_numbers<T>(size, 1);
      on_both(
          [&](auto place, auto at) { kernels::affine(place, at(out), at(in), size, 0.7, -0.3); });
      expect_agreement(out);
    }
  });
}

// More vectors than a block has threads, and a tail; from offset 1 nothing is aligned to a vector.
TEST_P(Elementwise, VectorsAndTailsAgreeAtAnyAlignment) {
  for_each_float_type([]<typename T>(Type<T>) {
    for (const int64_t begin : {0, 1}) {
      const int64_t size = 5003 - begin;
      Both<T> out(5003), a = some_numbers<T>(5003, 1), b = some_numbers<T>(5003, 2);
      Both<float> wide(5003);
      on_both([&](auto place, auto at) {
        kernels::binary(place, at(out) + begin, at(a), at(b) + begin, size, Binary::kAdd);
        kernels::cast(place, at(wide), at(a) + begin, size);
      });
      expect_agreement(out);
      expect_agreement(wide);
    }
  });
}

TEST_P(Elementwise, FillWritesEachElement) {
  const auto check = []<typename T>(T value) {
    for (const int64_t size : kSizes) {
      Both<T> out(size);
      on_both([&](auto place, auto at) { kernels::fill(place, at(out), size, value); });
      expect_same_bits(out);
    }
  };
  for_each_float_type([&]<typename T>(Type<T>) { check(static_cast<T>(1.5f)); });
  check(int64_t{1} << 40);
  check(int32_t{-7});
  check(uint8_t{200});
  check(true);
}

}  // namespace
}  // namespace ripieno::testing
