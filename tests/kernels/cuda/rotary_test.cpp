#include "ripieno/kernels/rotary.h"

#include "kernel_test.h"

namespace ripieno::testing {
namespace {

class Rotary : public KernelTest {};
INSTANTIATE_TEST_SUITE_P(Cuda, Rotary, device_runs(), run_name);

TEST_P(Rotary, TablesAgreeWithTheCpu) {
  const auto check = []<typename A>(Type<A>) {
    for (const bool has_positions : {false, true}) {
      for (const double factor : {1.0, 8.0}) {
        const int64_t rows = 33, half = 5;
        Both<A> table(rows * 2 * half);
        Both<int32_t> positions = some_ids(rows, 1, 0, 9000);
        on_both([&](auto place, auto at) {
          kernels::rotary_table(place, at(table), has_positions ? at(positions) : nullptr, rows,
                                half, rows, 7, {.factor = factor});
        });
        // The angle has the rounding of a position of up to 9,000.
        expect_agreement(table, 100 * kTolerance<A>);
      }
    }
  };
  check(Type<float>{});
  check(Type<double>{});
}

TEST_P(Rotary, RotationsAgreeWithTheCpu) {
  for_each_float_type([]<typename T>(Type<T>) {
    for (const int64_t half : {1, 4, 33}) {
      for (const int64_t rest : {0, 3}) {
        for (const bool inverse : {false, true}) {
          const kernels::RotaryShape shape{
              .rows = 6, .heads = 2, .half = half, .rest = rest, .table_rows = 3};
          Both<T> out(shape.rows * shape.heads * (2 * half + rest));
          Both<T> in = some_numbers<T>(out.size(), 1);
          Both<accumulator_t<T>> table =
              some_numbers<accumulator_t<T>>(shape.table_rows * 2 * half, 2, -1, 1);
          on_both([&](auto place, auto at) {
            kernels::rotate(place, at(out), at(in), at(table), shape, inverse);
          });
          expect_agreement(out);
        }
      }
    }
  });
}

}  // namespace
}  // namespace ripieno::testing
