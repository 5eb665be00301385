#include "ripieno/kernels/embedding.h"

#include "kernels/values.h"
#include "ripieno/kernels/cpu_threads.h"
#include "ripieno/kernels/known_ids.h"

namespace ripieno::kernels {
namespace {

constexpr int64_t kVocab = 50, kCount = 333;

// Some ids are frequent, some are absent, and two are out of range.
std::vector<int32_t> some_ids() {
  std::vector<int32_t> ids;
  for (int32_t i = 0; i < kCount; ++i) ids.push_back(i * i % 47);
  ids[5] = -1;
  ids[6] = kVocab;
  return ids;
}

template <typename T>
class Embedding : public testing::Test {};
TYPED_TEST_SUITE(Embedding, Floats);

TYPED_TEST(Embedding, ForwardCopiesRowsAddsPositionsAndReadsZerosForInvalidIds) {
  constexpr int64_t kTime = 9;
  const auto ids = some_ids();
  const auto table = random_values<TypeParam>(kVocab * 33, 1);
  const auto positions = random_values<TypeParam>(kTime * 33, 2);
  std::vector<TypeParam> out(kCount * 33);
  for (const TypeParam* added : {static_cast<const TypeParam*>(nullptr), positions.data()}) {
    std::vector<double> expected;
    for (int64_t i = 0; i < kCount * 33; ++i) {
      const int32_t id = ids[i / 33];
      const bool known = id >= 0 && id < kVocab;
      expected.push_back((known ? to_double(table[id * 33 + i % 33]) : 0.0) +
                         (added ? to_double(added[i / 33 % kTime * 33 + i % 33]) : 0.0));
    }
    embedding_forward(OnCpu{}, out.data(), table.data(), ids.data(), added, kTime,
                      {kCount, kVocab, 33});
    expect_close(out, expected, 0.0);
  }
}

template <typename T>
std::vector<T> backward(std::vector<T> grad_table, const std::vector<T>& grad_out, int64_t channels,
                        bool accumulate) {
  const auto ids = some_ids();
  const EmbeddingShape shape{kCount, kVocab, channels};
  std::vector<int32_t> workspace(embedding_workspace_bytes<T>(OnCpu{}, shape) / sizeof(int32_t));
  embedding_backward(OnCpu{}, grad_table.data(), workspace.data(), grad_out.data(), ids.data(),
                     shape, accumulate);
  return grad_table;
}

TYPED_TEST(Embedding, BackwardSumsTheRowsOfEachId) {
  const auto ids = some_ids();
  for (const int64_t channels : {1, 33, 300}) {
    for (const bool accumulate : {false, true}) {
      const auto grad_out = random_values<TypeParam>(kCount * channels, 1);
      const auto before = random_values<TypeParam>(kVocab * channels, 2);
      auto expected = accumulate ? to_doubles(before) : std::vector<double>(kVocab * channels);
      for (int64_t i = 0; i < kCount; ++i) {
        if (ids[i] < 0 || ids[i] >= kVocab) continue;
        for (int64_t c = 0; c < channels; ++c) {
          expected[ids[i] * channels + c] += to_double(grad_out[i * channels + c]);
        }
      }
      expect_close(backward(before, grad_out, channels, accumulate), expected, 64.0);
    }
  }
}

TYPED_TEST(Embedding, BackwardDoesNotDependOnTheNumberOfThreads) {
  const auto grad_out = random_values<TypeParam>(kCount * 300, 1);
  const std::vector<TypeParam> before(kVocab * 300);
  const auto alone = backward(before, grad_out, 300, false);
  set_cpu_threads(3);
  const auto together = backward(before, grad_out, 300, false);
  set_cpu_threads(1);
  expect_identical(together, alone);
}

TEST(KnownIds, TheFirstInvalidIdIsRecorded) {
  const int32_t ids[] = {4, -1, 5, -7};
  UnknownId found;
  find_unknown_id(OnCpu{}, &found, ids, 4, 5, -1, 9);
  EXPECT_EQ(found.input, 9);
  EXPECT_EQ(found.id, 5);
  EXPECT_EQ(found.bound, 5);
  EXPECT_EQ(found.position, 2);
  find_unknown_id(OnCpu{}, &found, ids, 4, 2, -1, 8);
  EXPECT_EQ(found.input, 9);
}

TEST(KnownIds, NothingIsRecordedIfAllAreValidOrExempt) {
  const int32_t ids[] = {4, -1, 0};
  UnknownId found;
  find_unknown_id(OnCpu{}, &found, ids, 3, 5, -1, 9);
  EXPECT_EQ(found.input, 0);
}

}  // namespace
}  // namespace ripieno::kernels
