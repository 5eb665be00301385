#include "ripieno/kernels/embedding.h"

#include "kernel_test.h"

namespace ripieno::testing {
namespace {

class Embedding : public KernelTest {};
INSTANTIATE_TEST_SUITE_P(Cuda, Embedding, device_runs(), run_name);

TEST_P(Embedding, ForwardTakesRowsAndMarksUnknownIds) {
  for_each_float_type([]<typename T>(Type<T>) {
    for (const int64_t channels : {1, 33, 300}) {
      const int64_t vocab = 7, count = 40;
      Both<T> out(count * channels), table = some_numbers<T>(vocab * channels, 1);
      Both<int32_t> ids = some_ids(count, 2, -1, static_cast<int32_t>(vocab));
      on_both([&](auto place, auto at) {
        kernels::embedding_forward(place, at(out), at(table), at(ids), count, vocab, channels);
      });
      expect_agreement(out, 0);
    }
  });
}

struct Case {
  int64_t count, vocab, channels;
};

TEST_P(Embedding, BackwardAddsInTheOrderOfThePositions) {
  for_each_float_type([]<typename T>(Type<T>) {
    for (const Case& c : {Case{1, 1, 1}, Case{33, 5, 31}, Case{600, 3, 2}, Case{31, 1001, 3}}) {
      for (const bool accumulate : {false, true}) {
        Both<T> grad_table = some_numbers<T>(c.vocab * c.channels, 1);
        Both<T> grad_out = some_numbers<T>(c.count * c.channels, 2);
        Both<int32_t> ids = some_ids(c.count, 3, -1, static_cast<int32_t>(c.vocab));
        Both<int32_t> workspace(3 * c.count + c.vocab + 1);
        on_both([&](auto place, auto at) {
          kernels::embedding_backward(place, at(grad_table), at(workspace), at(grad_out), at(ids),
                                      c.count, c.vocab, c.channels, accumulate);
        });
        expect_same_bits(grad_table);
      }
    }
  });
}

}  // namespace
}  // namespace ripieno::testing
