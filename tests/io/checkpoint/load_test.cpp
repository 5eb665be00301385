// Loading a checkpoint on any number of ranks, into other element types, into part of a model, and
// under other names.
#include <gmock/gmock.h>

#include <chrono>
#include <cstring>
#include <random>
#include <thread>

#include "io/checkpoint/sample_state.h"
#include "io/files/crashing_file_system.h"
#include "ripieno/core/error.h"
#include "ripieno/core/random.h"

namespace ripieno::io {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::ThrowsMessage;

const std::string kPath = "run/step_00000001";

Tensor numbers(const Shape& shape, DType dtype, double first = 0) {
  std::vector<double> values;
  for (int64_t i = 0; i < shape.elements(); ++i) values.push_back(first + static_cast<double>(i));
  Tensor whole(shape, dtype);
  whole.copy_from(Tensor::of(shape, values));
  return whole;
}

StateTensor parameter(const std::string& name, const Tensor& whole) {
  return state_of(name, StateKind::parameter, whole);
}
StateTensor master(const std::string& name, const Tensor& whole) {
  return state_of("master/" + name, StateKind::optimizer, whole);
}

class Load : public testing::Test {
 protected:
  void save(const State& state, int ranks = 1) {
    save_on_ranks(files_, "run", 1, ranks, state, "attempt " + std::to_string(attempts_++));
  }
  LoadReport load(const State& wanted, const LoadOptions& options = {}) const {
    return Checkpoint::open(files_, kPath).load(wanted, options);
  }
  std::string complaint(const State& wanted, const LoadOptions& options = {}) const {
    try {
      load(wanted, options);
    } catch (const ConfigurationError& error) {
      return error.what();
    }
    return "loaded";
  }
  // Flips a bit in the data of the tensor's first piece.
  void flip_a_number_of(std::size_t tensor) {
    const auto json = nlohmann::json::parse(read_file(files_, kPath + "/manifest.json"));
    const auto& piece = json["tensors"][tensor]["pieces"][0];
    files_.bytes(kPath + "/" + piece["file"].get<std::string>())[piece["file_offset"]] ^= 1;
  }

  CrashingFileSystem files_;
  int attempts_ = 0;
};

TEST_F(Load, IsRejectedWithAListOfAllDifferences) {
  save(sample_state(1));
  State other = blank_state(sample_state(1));
  other[1] = parameter("blocks.0.weight", Tensor({34, 3}, DType::bfloat16));
  other[0].name = "wte.weight";
  other[5] = state_of("seen", StateKind::buffer, Tensor({5}, DType::int32));
  EXPECT_THAT(complaint(other),
              AllOf(HasSubstr("blocks.0.weight was saved as (33, 3) but is (34, 3) in this run"),
                    HasSubstr("seen was saved as int64 but is int32 in this run"),
                    HasSubstr("missing from the checkpoint: parameter wte.weight (7, 3, 5)"),
                    HasSubstr("not in this run: parameter embedding.weight (7, 3, 5)")));
}

TEST_F(Load, IsRejectedIfTheModelLacksATensor) {
  save(sample_state(1));
  State fewer = blank_state(sample_state(1));
  fewer.erase(fewer.begin() + 2);
  EXPECT_THAT(complaint(fewer),
              HasSubstr("in the checkpoint but not in this run: parameter blocks.0.bias (31)"));
}

TEST_F(Load, NamesTenMissingTensorsAndCountsTheOthers) {
  save({parameter("there", numbers({1}, DType::float32))});
  State wanted = {parameter("there", numbers({1}, DType::float32))};
  for (int i = 0; i < 13; ++i)
    wanted.push_back(parameter("x" + std::to_string(i), numbers({1}, DType::float32)));
  EXPECT_THAT(complaint(wanted), AllOf(HasSubstr("x9 (1) and 3 more"), Not(HasSubstr("x10"))));
}

// The share of a rank that holds a random range of each tensor, like a sharded optimizer.
State random_share(const State& whole, const std::vector<std::vector<int64_t>>& cuts,
                   std::size_t rank) {
  State share;
  for (std::size_t i = 0; i < whole.size(); ++i) {
    StateTensor tensor = whole[i];
    tensor.begin = cuts[i][rank];
    tensor.part =
        tensor.part.reshape({tensor.shape.elements()}).slice(0, cuts[i][rank], cuts[i][rank + 1]);
    share.push_back(tensor);
  }
  return share;
}

std::vector<std::vector<int64_t>> random_cuts(const State& whole, int ranks, std::mt19937& random) {
  std::vector<std::vector<int64_t>> cuts;
  for (const StateTensor& tensor : whole) {
    const int64_t elements = tensor.shape.elements();
    std::vector<int64_t> cut = {0, elements};
    for (int rank = 1; rank < ranks; ++rank)
      cut.push_back(std::uniform_int_distribution<int64_t>(0, elements)(random));
    std::sort(cut.begin(), cut.end());
    cuts.push_back(cut);
  }
  return cuts;
}

TEST_F(Load, LoadsAnyPartitionFromAnyPartition) {
  std::mt19937 random(5);
  const State whole = sample_state(1);
  for (int trial = 0; trial < 50; ++trial) {
    const int savers = 1 + trial % 5, loaders = 1 + trial / 5 % 5;
    files_.remove_all(kPath);
    const auto saved = random_cuts(whole, savers, random);
    for (int rank = savers - 1; rank >= 0; --rank) {
      save_checkpoint(
          files_, "run", 1, random_share(whole, saved, static_cast<std::size_t>(rank)), {},
          {.rank = rank, .size = savers, .attempt = std::to_string(trial), .timeout_seconds = 0});
    }
    const State loaded = blank_state(whole);
    const auto wanted = random_cuts(whole, loaders, random);
    for (std::size_t rank = 0; rank < static_cast<std::size_t>(loaders); ++rank) {
      State share = random_share(loaded, wanted, rank);
      for (std::size_t i = 0; i < share.size(); ++i) {  // parameters whole, the rest sharded
        if (share[i].kind == StateKind::parameter) share[i] = loaded[i];
      }
      load(share, {.reading = {.threads = 1 + trial % 3}});
    }
    ASSERT_EQ(numbers_of(loaded), numbers_of(whole)) << savers << " saved, " << loaders << " load";
  }
}

TEST_F(Load, LoadsIntoTensorsThatAreNotContiguous) {
  save({parameter("w", numbers({6, 5}, DType::float32))}, 2);
  const Tensor transposed = Tensor::zeros({5, 6}).transpose(0, 1);
  load({parameter("w", transposed)});
  EXPECT_EQ(transposed.to_vector<float>(), numbers({6, 5}, DType::float32).to_vector<float>());
}

TEST_F(Load, VerifiesEveryByteOnOneOfTheRanks) {
  for (const std::size_t tensor : {0, 3, 5, 8}) {
    save(sample_state(1), 3);
    flip_a_number_of(tensor);
    int rejections = 0;
    for (int rank = 0; rank < 2; ++rank) {
      try {
        load({}, {.verification_part = Part{rank, 2}});
      } catch (const DataError&) {
        ++rejections;
      }
    }
    EXPECT_EQ(rejections, 1) << tensor;
  }
}

TEST_F(Load, DividesTheVerificationOfUnloadedTensorsBetweenTheRanks) {
  State state;
  for (int i = 0; i < 20; ++i)
    state.push_back(parameter("w" + std::to_string(i), numbers({5000}, DType::float32)));
  save(state, 3);
  const int64_t total = Checkpoint::open(files_, kPath).bytes();
  const int64_t first = load({}, {.verification_part = Part{0, 2}}).bytes;
  const int64_t second = load({}, {.verification_part = Part{1, 2}}).bytes;
  EXPECT_EQ(first + second, total);
  EXPECT_GT(std::min(first, second), total / 4);
}

TEST_F(Load, VerifiesBytesOutsideThePieces) {
  save(sample_state(1), 2);
  files_.bytes(kPath + "/shard_00001_of_00002.h5")[3] ^= 1;
  State wanted = blank_state(sample_state(1));
  EXPECT_NO_THROW(load(wanted));
  EXPECT_THAT(
      [&] {
        load(wanted, {.verification_part = Part{0, 1}});
      },
      ThrowsMessage<DataError>(HasSubstr("shard_00001_of_00002.h5 is damaged")));
}

TEST_F(Load, ReadsEveryByteOnceIfItVerifiesAll) {
  save(sample_state(1), 3);
  const auto report = load(blank_state(sample_state(1)), {.verification_part = Part{0, 1}});
  EXPECT_EQ(report.bytes, Checkpoint::open(files_, kPath).bytes());
}

TEST_F(Load, ReportsTheFirstDamageInTheFilesWhicheverThreadFindsIt) {
  save(sample_state(1), 4);
  flip_a_number_of(8);
  flip_a_number_of(0);
  for (const int threads : {1, 2, 5}) {
    EXPECT_THAT([&] { load(blank_state(sample_state(1)), {.reading = {.threads = threads}}); },
                ThrowsMessage<DataError>(HasSubstr("embedding.weight")));
  }
}

TEST_F(Load, LoadsAndVerifiesALargeStateWithSeveralThreads) {
  State state, loaded;
  for (int i = 0; i < 6; ++i) {
    const Tensor whole({1'000'003});
    fill_normal(whole, 0.0, 1.0, {static_cast<uint64_t>(i)});
    state.push_back(parameter("w" + std::to_string(i), whole));
    loaded.push_back(parameter("w" + std::to_string(i), Tensor::zeros({1'000'003})));
  }
  save(state, 2);
  load(loaded, {.verification_part = Part{0, 1}});
  for (std::size_t i = 0; i < state.size(); ++i) {
    EXPECT_EQ(
        std::memcmp(loaded[i].part.raw_data(), state[i].part.raw_data(), state[i].part.bytes()), 0);
  }
  flip_a_number_of(4);
  EXPECT_THAT([&] { load(loaded); }, ThrowsMessage<DataError>(HasSubstr("parameter w4")));
}

// Opening the shard of rank 0 takes less time than opening that of rank 1, so its damage is found
// first.
class LateFileSystem : public CrashingFileSystem {
 public:
  std::unique_ptr<ReadableFile> open(const std::string& path) const override {
    const int milliseconds = path.find("shard_00001") != std::string::npos ? 60 : 20;
    std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
    return CrashingFileSystem::open(path);
  }
};

TEST(LoadByThreads, ReportsTheFirstDamageInTheFilesAlsoIfItIsFoundFirst) {
  LateFileSystem files;
  for (int rank = 1; rank >= 0; --rank) {
    const State share = {
        {"w", StateKind::parameter, DType::float32, {8}, rank * 4, numbers({4}, DType::float32)}};
    save_checkpoint(files, "run", 1, share, {},
                    {.rank = rank, .size = 2, .attempt = "one", .timeout_seconds = 0});
  }
  for (const auto* name : {"/shard_00000_of_00002.h5", "/shard_00001_of_00002.h5"})
    files.bytes(kPath + name).pop_back();
  const auto checkpoint = Checkpoint::open(files, kPath);
  EXPECT_THAT([&] { checkpoint.load({parameter("w", Tensor({8}))}, {.reading = {.threads = 2}}); },
              ThrowsMessage<DataError>(HasSubstr("shard_00000_of_00002.h5 is damaged")));
}

TEST_F(Load, ReportsItsProgressUpToTheLastByte) {
  save(sample_state(1), 3);
  int64_t reported = 0;
  const auto checkpoint = Checkpoint::open(files_, kPath);
  const auto note = [&](int64_t bytes) {
    EXPECT_GE(bytes, reported);
    reported = bytes;
  };
  EXPECT_EQ(checkpoint.verify({.threads = 3, .progress = note}), checkpoint.bytes());
  EXPECT_EQ(reported, checkpoint.bytes());
}

TEST_F(Load, RethrowsAnExceptionOfTheProgressCallback) {
  save(sample_state(1), 3);
  const auto stop = [](int64_t) { throw StorageError("enough"); };
  EXPECT_THROW(Checkpoint::open(files_, kPath).verify({.threads = 3, .progress = stop}),
               StorageError);
}

TEST_F(Load, ConvertsBetweenFloatingPointTypesWithRoundingToNearest) {
  const std::vector<double> values = {0, -1.5, 3.140625, 1.00390625, 1.01171875, 65504, 1e-3};
  const auto type_of = [&](DType dtype) {
    Tensor whole({7}, dtype);
    whole.copy_from(Tensor::of({7}, values));
    return whole;
  };
  const auto types = {DType::float32, DType::bfloat16, DType::float16, DType::float64};
  for (const DType from : types) {
    save({parameter("w", type_of(from))}, 2);
    for (const DType to : types) {
      const Tensor loaded({7}, to);
      load({parameter("w", loaded)});
      EXPECT_EQ(loaded.to(DType::float64).to_vector<double>(),
                type_of(from).to(to).to(DType::float64).to_vector<double>());
    }
  }
}

TEST_F(Load, RoundsTiesToEven) {
  save({parameter("w", Tensor::of<float>({2}, {1.00390625F, 1.01171875F}))});
  const Tensor loaded({2}, DType::bfloat16);
  load({parameter("w", loaded)});
  EXPECT_THAT(loaded.to(DType::float32).to_vector<float>(), ElementsAre(1.0F, 1.015625F));
}

TEST_F(Load, DoesNotConvertIntegers) {
  save({state_of("n", StateKind::buffer, numbers({3}, DType::int32))});
  for (const DType to : {DType::int64, DType::float32, DType::boolean})
    EXPECT_THAT(complaint({state_of("n", StateKind::buffer, Tensor({3}, to))}),
                HasSubstr("buffer n was saved as int32"));
}

TEST_F(Load, LoadsAWiderParameterFromItsMasterWeight) {
  const Tensor exact = Tensor::of<float>({2}, {1.001F, 2.002F});
  save({parameter("w", exact.to(DType::bfloat16)), master("w", exact)});
  const Tensor wide({2}), narrow({2}, DType::bfloat16), half({2}, DType::float16);
  load({parameter("w", wide)});
  load({parameter("w", narrow)});
  EXPECT_EQ(wide.to_vector<float>(), exact.to_vector<float>());
  EXPECT_EQ(narrow.to(DType::float32).to_vector<float>(),
            exact.to(DType::bfloat16).to(DType::float32).to_vector<float>());
}

TEST_F(Load, LoadsMasterWeightsThatWereNotSavedFromTheParameters) {
  const Tensor exact = Tensor::of<float>({2}, {1.001F, 2.002F});
  save({parameter("w", exact), state_of("first_moment/w", StateKind::optimizer, exact)}, 2);
  const Tensor narrow({2}, DType::bfloat16), masters({2}), moments({2});
  load({parameter("w", narrow), master("w", masters),
        state_of("first_moment/w", StateKind::optimizer, moments)});
  EXPECT_EQ(masters.to_vector<float>(), exact.to_vector<float>());
  EXPECT_EQ(narrow.to(DType::float32).to_vector<float>(),
            exact.to(DType::bfloat16).to(DType::float32).to_vector<float>());
}

TEST_F(Load, LoadsSeveralTensorsFromOne) {
  const Tensor saved = numbers({5}, DType::float32, 1);
  save({parameter("w", saved)}, 2);
  const Tensor w = Tensor::full({5}, 99), masters = Tensor::full({5}, 99);
  load({parameter("w", w), master("w", masters)});
  EXPECT_EQ(w.to_vector<float>(), saved.to_vector<float>());
  EXPECT_EQ(masters.to_vector<float>(), saved.to_vector<float>());
}

TEST_F(Load, LoadsOnlyTensorsWithThePrefixAndRemovesIt) {
  save({parameter("encoder.w", numbers({2}, DType::float32, 1)),
        parameter("encoder.b", numbers({1}, DType::float32, 5)),
        parameter("head.w", numbers({9}, DType::float32)),
        state_of("first_moment/encoder.w", StateKind::optimizer, numbers({2}, DType::float32, 7)),
        state_of("first_moment/encoder.b", StateKind::optimizer, numbers({1}, DType::float32, 9))});
  const Tensor w({2}), b({1}), moment({2}), other({1});
  load({parameter("w", w), parameter("b", b),
        state_of("first_moment/w", StateKind::optimizer, moment),
        state_of("first_moment/b", StateKind::optimizer, other)},
       {.prefix = "encoder."});
  EXPECT_THAT(w.to_vector<float>(), ElementsAre(1, 2));
  EXPECT_THAT(b.to_vector<float>(), ElementsAre(5));
  EXPECT_THAT(moment.to_vector<float>(), ElementsAre(7, 8));
}

TEST_F(Load, AppliesRenamingRulesInOrder) {
  save({parameter("model.enc.w", numbers({2}, DType::float32, 1)),
        parameter("model.head", numbers({2}, DType::float32, 3))});
  const Tensor w({2}), head({2});
  load({parameter("net.blocks.w", w), parameter("net.head", head)},
       {.rename = renamings_from_text("model.=,enc.=blocks.,=net.")});
  EXPECT_THAT(w.to_vector<float>(), ElementsAre(1, 2));
  EXPECT_THAT(head.to_vector<float>(), ElementsAre(3, 4));
}

TEST_F(Load, RejectsTwoTensorsRenamedToTheSameName) {
  save({parameter("a.w", numbers({2}, DType::float32)),
        parameter("b.w", numbers({2}, DType::float32))});
  EXPECT_THAT(complaint({parameter("w", Tensor({2}))}, {.rename = renamings_from_text("a.=,b.=")}),
              HasSubstr("a.w and b.w would both be loaded as w"));
}

TEST_F(Load, RejectsARuleWithoutAnEqualsSign) {
  EXPECT_THAT([] { renamings_from_text("a=b,model."); },
              ThrowsMessage<ConfigurationError>(HasSubstr("\"model.\"")));
}

TEST_F(Load, KeepsAndReportsTensorsThatDoNotMatchIfNotStrict) {
  save({parameter("same", numbers({2}, DType::float32, 1)),
        parameter("wider", numbers({3}, DType::float32)),
        parameter("gone", numbers({1}, DType::float32))});
  const Tensor same({2}), wider = Tensor::full({4}, 5), fresh = Tensor::full({1}, 6);
  const auto report =
      load({parameter("same", same), parameter("wider", wider), parameter("fresh", fresh)},
           {.strict = false});
  EXPECT_THAT(same.to_vector<float>(), ElementsAre(1, 2));
  EXPECT_THAT(wider.to_vector<float>(), ElementsAre(5, 5, 5, 5));
  EXPECT_THAT(fresh.to_vector<float>(), ElementsAre(6));
  EXPECT_THAT(report.missing, ElementsAre("parameter fresh (1)"));
  EXPECT_THAT(report.unused, ElementsAre("parameter gone (1)"));
  EXPECT_THAT(report.different,
              ElementsAre(HasSubstr("wider was saved as (3) but is (4) in this run")));
  EXPECT_FALSE(report.matches());
}

TEST_F(Load, ReportsNothingIfEverythingMatches) {
  save(sample_state(1));
  EXPECT_TRUE(load(blank_state(sample_state(1))).matches());
}

}  // namespace
}  // namespace ripieno::io
