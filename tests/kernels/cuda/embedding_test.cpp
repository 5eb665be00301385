#include "ripieno/kernels/embedding.h"

#include "kernel_test.h"

namespace ripieno::testing {
namespace {

using kernels::EmbeddingShape;

class Embedding : public KernelTest {};
INSTANTIATE_TEST_SUITE_P(Cuda, Embedding, device_runs(), run_name);

// Around a vector, a warp of vectors, and the vectors that a lane loads at once.
constexpr int64_t kChannels[] = {1, 8, 31, 33, 256, 300, 1032};

TEST_P(Embedding, ForwardCopiesRowsAndAddsPositions) {
  for_each_float_type([]<typename T>(Type<T>) {
    for (const int64_t channels : kChannels) {
      const int64_t vocab = 7, count = 40, time = 8;
      Both<T> out(count * channels), table = some_numbers<T>(vocab * channels, 1);
      Both<T> positions = some_numbers<T>(time * channels, 3);
      Both<int32_t> ids = some_ids(count, 2, -1, static_cast<int32_t>(vocab));
      for (const bool adds_positions : {false, true}) {
        on_both([&](auto place, auto at) {
          kernels::embedding_forward(place, at(out), at(table), at(ids),
                                     adds_positions ? at(positions) : nullptr, time,
                                     {count, vocab, channels});
        });
        expect_agreement(out, 0);
      }
    }
  });
}

template <typename T>
struct Backward {
  EmbeddingShape shape;
  Both<T> grad_table = some_numbers<T>(shape.vocab * shape.channels, 1);
  Both<T> grad_out = some_numbers<T>(shape.count * shape.channels, 2);
  Both<int32_t> ids = some_ids(shape.count, 3, -1, static_cast<int32_t>(shape.vocab));

  explicit Backward(const EmbeddingShape& shape_) : shape(shape_) {}

  void run(bool accumulate) {
    on_both([&](auto place, auto at) {
      const auto bytes = kernels::embedding_workspace_bytes<T>(place, shape);
      Both<double> workspace(static_cast<int64_t>(bytes / sizeof(double) + 1));
      kernels::embedding_backward(place, at(grad_table), at(workspace), at(grad_out), at(ids),
                                  shape, accumulate);
    });
  }
};

TEST_P(Embedding, BackwardSumsTheRowsOfEachId) {
  for_each_float_type([]<typename T>(Type<T>) {
    for (const EmbeddingShape& shape :
         {EmbeddingShape{1, 1, 1}, EmbeddingShape{31, 1001, 3}, EmbeddingShape{33, 5, 31},
          EmbeddingShape{64, 40, 256}, EmbeddingShape{600, 3, 2}, EmbeddingShape{600, 2, 264}}) {
      for (const bool accumulate : {false, true}) {
        Backward<T> backward(shape);
        backward.run(accumulate);
        expect_agreement(backward.grad_table, 4 * kTolerance<T>);
      }
    }
  });
}

// Sums of integers are exact in any order.
TEST_P(Embedding, BackwardCountsEachPositionOnceForAnySpreadOverTiles) {
  for (int64_t first = 0; first <= 70; ++first) {
    Backward<float> backward({140, 4, 1});
    for (int64_t i = 0; i < 140; ++i) {
      backward.ids.host()[i] = i < first ? 0 : i < first + 35 ? 1 : i < 139 ? 2 : 4;
      backward.grad_out.host()[i] = static_cast<float>(i + 1);
    }
    backward.ids.update_device();
    backward.grad_out.update_device();
    backward.run(false);
    expect_same_bits(backward.grad_table);
  }
}

TEST_P(Embedding, WithoutIdsHasNoGradient) {
  Backward<float> backward({0, 5, 3});
  backward.run(false);
  expect_same_bits(backward.grad_table);
  EXPECT_EQ(backward.grad_table.host()[0], 0.0f);
}

}  // namespace
}  // namespace ripieno::testing
