#include "ripieno/io/data/batch_loader.h"

#include <gmock/gmock.h>

#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include "ripieno/core/error.h"
#include "ripieno/core/loaded_rows.h"
#include "ripieno/io/data/memory_loader.h"

namespace ripieno::io {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;
using testing::ThrowsMessage;

// A custom data set: sequences of 1, 2, 3, 1, 2, … tokens, padded to 3.
class Sequences final : public Dataset {
 public:
  explicit Sequences(int64_t size) : size_(size) {}

  int64_t size() const override { return size_; }
  SampleLayout layout() const override {
    return {.inputs = {{3}, DType::int32},
            .targets = {{3}, DType::int32},
            .extras = {{"lengths", {{}, DType::int64}}}};
  }
  void read(int64_t index, const SampleRow& into) const override {
    if (index == 77) throw std::runtime_error("sample 77 is damaged");
    for (int32_t i = 0; i < 3; ++i) {
      const bool is_token = i < units(index);
      into.inputs<int32_t>()[static_cast<std::size_t>(i)] =
          is_token ? static_cast<int32_t>(index) : 0;
      into.targets<int32_t>()[static_cast<std::size_t>(i)] = is_token ? i : kIgnoredTarget;
    }
    into.extra<int64_t>("lengths")[0] = units(index);
  }
  std::string fingerprint() const override { return "sequences"; }
  std::string_view unit() const override { return "tokens"; }
  int64_t units_per_sample() const override { return 2; }
  bool units_vary() const override { return true; }
  int64_t units(int64_t index) const override { return index % 3 + 1; }

 private:
  int64_t size_;
};

std::shared_ptr<const Dataset> sequences(int64_t size) { return std::make_shared<Sequences>(size); }

std::vector<int64_t> lengths(const Batch& batch) {
  return batch.extra("lengths").to_vector<int64_t>();
}

TEST(BatchLoader, ReadsACustomDataSetSequentially) {
  BatchLoader loader(sequences(5), {.batch_size = 2});
  const Batch batch = loader.next();
  EXPECT_THAT(batch.inputs.to_vector<int32_t>(), ElementsAre(0, 0, 0, 1, 1, 0));
  EXPECT_THAT(batch.targets.to_vector<int32_t>(), ElementsAre(0, -1, -1, 0, 1, -1));
  loader.next();
  EXPECT_THAT(lengths(loader.next()), ElementsAre(2, 1));  // samples 4 and 0
}

TEST(BatchLoader, CountsTheUnitsOfAllRanksIfTheyVary) {
  BatchLoader second(sequences(5), {.batch_size = 3}, {1, 2});
  const Batch batch = second.next();
  EXPECT_THAT(lengths(batch), ElementsAre(3));
  EXPECT_EQ(batch.units, 1 + 2 + 3);
  EXPECT_EQ(batch.first_row, 2);
}

TEST(BatchLoader, ReturnsTheSameBatchesForAnyNumberOfThreads) {
  const Order order = shuffled(70, 3);
  BatchLoader one(sequences(70), {.batch_size = 4, .order = order});
  BatchLoader many(sequences(70), {.batch_size = 4, .order = order, .threads = 3, .ahead = 5});
  for (int i = 0; i < 100; ++i) {
    if (i == 50) one.seek(4), many.seek(4);
    ASSERT_EQ(one.next().inputs.to_vector<int32_t>(), many.next().inputs.to_vector<int32_t>());
    ASSERT_EQ(one.position(), many.position());
  }
}

TEST(BatchLoader, RethrowsAnErrorOfASampleAfterTheBatchesBeforeIt) {
  for (const int threads : {1, 4}) {
    BatchLoader loader(sequences(80), {.batch_size = 7, .threads = threads, .ahead = 4});
    for (int i = 0; i < 11; ++i) loader.next();
    EXPECT_THROW(loader.next(), std::runtime_error);
    loader.seek(0);
    EXPECT_EQ(loader.next().global_rows, 7);
  }
}

TEST(BatchLoader, ValidatesWithEachSampleOnce) {
  const BatchLoader loader(sequences(5), {.batch_size = 2, .validation = sequences(3)});
  const auto held_out = loader.held_out(2);
  ASSERT_EQ(held_out->batches(), 2);
  EXPECT_THAT(lengths(held_out->batch(0)), ElementsAre(1, 2));
  EXPECT_THAT(lengths(held_out->batch(1)), ElementsAre(3));
  EXPECT_EQ(BatchLoader(sequences(5), {.batch_size = 2}).held_out(2), nullptr);
}

TEST(BatchLoader, RejectsAnEmptyDataSetAndAnEmptyBatch) {
  EXPECT_THROW(BatchLoader(sequences(0), {.batch_size = 2}), ConfigurationError);
  EXPECT_THROW(BatchLoader(sequences(5), {.batch_size = 0}), ConfigurationError);
  EXPECT_THROW(BatchLoader(sequences(5), {.batch_size = 2, .threads = 0}), ConfigurationError);
}

TEST(BatchLoader, RefusesAnOrderOfMoreSamplesThanTheDataSetHas) {
  BatchLoader loader(sequences(5), {.batch_size = 1, .order = shuffled(70, 3)});
  EXPECT_THAT(
      [&] {
        for (int i = 0; i < 70; ++i) loader.next();
      },
      ThrowsMessage<DataError>(HasSubstr("the data set has 5 samples; use an order of that many")));
}

TEST(BatchLoader, RefusesAPositionThatNoRunReaches) {
  BatchLoader loader(sequences(5), {.batch_size = 2});
  for (const int64_t position : {int64_t{-1}, std::numeric_limits<int64_t>::max()})
    EXPECT_THROW(loader.seek(position), DataError);
  loader.seek(int64_t{1} << 40);
  EXPECT_THAT(lengths(loader.next()), SizeIs(2));
}

TEST(BatchLoader, RefusesABatchAfterTheLastHeldOutOne) {
  const EvaluationBatches batches(sequences(5), std::numeric_limits<int64_t>::max());
  EXPECT_EQ(batches.batches(), 1);
  EXPECT_THROW(batches.batch(1), Error);
  EXPECT_THROW(batches.batch(-1), Error);
}

TEST(Batch, NamesAMissingExtraInTheError) {
  try {
    Batch().extra("mask");
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("\"mask\""));
  }
}

TEST(MemoryLoader, TrainsOnTensors) {
  const Tensor x = Tensor::of<float>({3, 2}, {0, 1, 10, 11, 20, 21});
  const Tensor y = Tensor::of<float>({3}, {5, 6, 7});
  MemoryLoader loader(x, y, {.batch_size = 2});
  loader.next();
  const Batch batch = loader.next();
  EXPECT_THAT(batch.inputs.to_vector<float>(), ElementsAre(20, 21, 0, 1));
  EXPECT_THAT(batch.targets.to_vector<float>(), ElementsAre(7, 5));
  EXPECT_NE(loader.fingerprint(), MemoryLoader(x, x, {.batch_size = 2}).fingerprint());
  EXPECT_THROW(MemoryLoader(x, Tensor::zeros({4}), {.batch_size = 2}), Error);
}

TEST(BatchLoader, RefusesAPartThatDoesNotExist) {
  const BatchLoaderOptions options = {.batch_size = 4};
  for (const Part part : {Part{.size = 0}, Part{.rank = 2, .size = 2}, Part{.rank = -1, .size = 2},
                          Part{.slots = -1}}) {
    const auto names_the_part = ThrowsMessage<ConfigurationError>(
        HasSubstr("got rank " + std::to_string(part.rank) + ", size " + std::to_string(part.size)));
    EXPECT_THAT([&] { BatchLoader(sequences(8), options, part); }, names_the_part);
    EXPECT_THAT([&] { EvaluationBatches(sequences(8), 4, part); }, names_the_part);
  }
}

// The number that identifies the first rows that a new loader returns.
uint64_t rows_of_first_batch(Part part, int64_t size = 8) {
  loaded_rows() = 0;
  BatchLoader loader(sequences(size), {.batch_size = 4}, part);
  loader.next();
  const uint64_t first = loaded_rows();
  loader.next();
  EXPECT_EQ(loaded_rows(), first) << "only the first batch is hashed";
  return first;
}

TEST(BatchLoader, IdentifiesTheRowsThatItsRankLoads) {
  EXPECT_NE(rows_of_first_batch({}), 0u);
  EXPECT_EQ(rows_of_first_batch({}), rows_of_first_batch({}));
  EXPECT_NE(rows_of_first_batch({0, 2}), rows_of_first_batch({1, 2}));
  EXPECT_NE(rows_of_first_batch({}, 8), rows_of_first_batch({}, 2)) << "other samples";
  EXPECT_EQ(rows_of_first_batch({7, 8}), 0u) << "this rank has no rows";
}

// Such as batches for evaluation, which every rank loads whole before its first step.
TEST(BatchLoader, AnotherLoaderDoesNotHideThatRanksHaveTheirOwnRows) {
  const auto rows_of_two_loaders = [](Part part) {
    rows_of_first_batch(part);
    BatchLoader(sequences(6), {.batch_size = 6}).next();
    return loaded_rows();
  };
  EXPECT_NE(rows_of_two_loaders({0, 2}), rows_of_two_loaders({1, 2}));
  EXPECT_EQ(rows_of_two_loaders({}), rows_of_two_loaders({}));
}

}  // namespace
}  // namespace ripieno::io
