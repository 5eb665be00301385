#include "ripieno/kernels/indexing.h"

#include "kernel_test.h"

namespace ripieno::testing {
namespace {

class Indexing : public KernelTest {};
INSTANTIATE_TEST_SUITE_P(Cuda, Indexing, device_runs(), run_name);

using kernels::IndexLines;
using kernels::SelectShape;

Both<int64_t> some_indices(int64_t size, int64_t bound) {
  Both<int64_t> index(size);
  for (int64_t i = 0; i < size; ++i) index.host()[i] = i * 7 % (bound + 2) - 1;  // some invalid
  index.update_device();
  return index;
}

// An index (3, 5) into a target (3, 9) along its last axis, and (5, 3) into (9, 3) along the first.
IndexLines lines(bool along_last) {
  IndexLines shape;
  shape.lines.rank = 1;
  shape.lines.sizes[0] = 3;
  shape.lines.strides_a[0] = along_last ? 5 : 1;
  shape.lines.strides_b[0] = along_last ? 9 : 1;
  shape.number_of_lines = 3;
  shape.count = 5;
  shape.index_stride = shape.target_stride = along_last ? 1 : 3;
  shape.bound = 9;
  return shape;
}

TEST_P(Indexing, GatherScatterAndPositionsAgreeWithTheCpu) {
  for (const bool along_last : {false, true}) {
    Both<float> target = some_numbers<float>(27, 1), in = some_numbers<float>(15, 2), out(15);
    Both<int64_t> index = some_indices(15, 9);
    Both<int32_t> positions(15);
    on_both([&](auto place, auto at) {
      const auto words = [&](auto& array) { return reinterpret_cast<uint32_t*>(at(array)); };
      kernels::gather(place, words(out), static_cast<const uint32_t*>(words(target)), at(index),
                      lines(along_last));
      kernels::scatter(place, words(target), static_cast<const uint32_t*>(words(in)), at(index),
                       lines(along_last));
      kernels::target_positions(place, at(positions), at(index), lines(along_last));
    });
    expect_same_bits(out);
    expect_same_bits(target);
    expect_same_bits(positions);
  }
}

TEST_P(Indexing, SelectionAndRampsAgreeWithTheCpu) {
  const SelectShape shape{2, 9, 3, 5};
  Both<uint16_t> in(54), out(30);
  for (int i = 0; i < 54; ++i) in.host()[i] = static_cast<uint16_t>(i);
  in.update_device();
  Both<int64_t> index = some_indices(5, 9), numbers(33);
  Both<int32_t> rows(10);
  Both<float16> halves(33);
  on_both([&](auto place, auto at) {
    kernels::index_select(place, at(out), static_cast<const uint16_t*>(at(in)), at(index), shape);
    kernels::select_positions(place, at(rows), at(index), shape);
    kernels::ramp(place, at(numbers), 33, int64_t{1} << 60, int64_t{-3});
    kernels::ramp(place, at(halves), 33, -1.0, 0.125);
  });
  expect_same_bits(out);
  expect_same_bits(rows);
  expect_same_bits(numbers);
  expect_same_bits(halves);
}

}  // namespace
}  // namespace ripieno::testing
