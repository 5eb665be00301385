#include "ripieno/training/keeper.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <exception>
#include <filesystem>
#include <fstream>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <thread>

#include "distributed/on_every_rank.h"
#include "distributed/training_job.h"
#include "io/files/temporary_directory.h"
#include "ripieno/core/error.h"
#include "ripieno/core/ops/dropout.h"
#include "ripieno/io/data/memory_loader.h"
#include "ripieno/io/run/ranks/flight_record.h"

namespace ripieno {
namespace {

using distributed::testing::features;
using distributed::testing::kClasses;
using distributed::testing::kFeatures;
using distributed::testing::kSamples;
using distributed::testing::targets;
using testing::HasSubstr;
using testing::ThrowsMessage;

// A training loop without a Run, with dropout.
struct Loop {
  std::string directory;
  int64_t steps = 6;
  int64_t stops_after = 1000;  // leaves the loop without a last save
  int64_t asks_in = 1000;      // the step in which the last rank requests to stop
  distributed::DataParallelOptions parallel_options = {};
  bool has_loader_part = true;
  std::function<void(const Keeper&)> started = {};
  std::string run_directory = {};
  WatchOptions watch = {};

  std::vector<float> run(Session& session) const {
    random_context() = {.seed = 5};
    io::MemoryLoader loader(features(), targets(),
                            {.batch_size = 6, .order = io::shuffled(kSamples, 5)},
                            has_loader_part ? io::Part(session) : io::Part());
    nn::Mlp model({kFeatures, 16, kClasses});
    optim::AdamW optimizer(model.parameters(), {.learning_rate = 0.01});
    distributed::DataParallel parallel(model, optimizer, session.communicator(), parallel_options);
    Keeper keeper(directory, session, model, optimizer,
                  {.every = 2,
                   .loader = &loader,
                   .parallel = &parallel,
                   .run_directory = run_directory,
                   .watch = watch});
    if (started) started(keeper);
    while (keeper.step() < steps && !keeper.stops()) {
      if (keeper.step() == stops_after) return {};
      const auto batch = loader.next();
      random_context().first_row = batch.first_row;
      parallel.backward(batch.inputs.size(0), [&](int64_t begin, int64_t end) {
        const Tensor inputs = dropout(batch.inputs.slice(0, begin, end), 0.5, 1);
        return model.loss(inputs, batch.targets.slice(0, begin, end));
      });
      parallel.step();
      if (keeper.step() + 1 == asks_in && session.rank() == session.size() - 1)
        session.ask_to_stop();
      keeper.end_step();
    }
    keeper.save();
    return model.parameters().values().flat().to_vector<float>();
  }

  // The parameters of rank 0 at the end.
  std::vector<float> run_on(int ranks) const {
    std::vector<float> parameters;
    std::vector<std::unique_ptr<distributed::Communicator>> group = distributed::in_process(ranks);
    std::vector<std::exception_ptr> failures(group.size());
    {
      std::vector<std::jthread> threads;
      for (std::size_t rank = 0; rank < group.size(); ++rank) {
        threads.emplace_back([&, rank] {
          try {
            Session session(std::move(group[rank]));
            const auto mine = run(session);
            if (rank == 0) parameters = mine;
          } catch (...) {
            failures[rank] = std::current_exception();
          }
        });
      }
    }
    if (failures[0]) std::rethrow_exception(failures[0]);
    return parameters;
  }
};

class KeeperTest : public testing::TestWithParam<int> {
 protected:
  int ranks() const { return GetParam(); }
  bool has_checkpoint(int step) const {
    return std::filesystem::exists(directory_ / ("kept/step_0000000" + std::to_string(step)));
  }
  io::TemporaryDirectory directory_;
  Loop loop_{.directory = directory_ / "kept"};
};

TEST_P(KeeperTest, SavesWhenItIsTimeAndAtTheEnd) {
  loop_.steps = 5;
  loop_.run_on(ranks());
  EXPECT_FALSE(has_checkpoint(1));
  EXPECT_TRUE(has_checkpoint(2));
  EXPECT_TRUE(has_checkpoint(4));
  EXPECT_TRUE(has_checkpoint(5));
}

TEST_P(KeeperTest, AResumedLoopHasTheBitsOfAnUninterruptedOne) {
  for (const distributed::Shard shard : {distributed::Shard::none, distributed::Shard::gradients}) {
    loop_.directory = directory_ / std::to_string(static_cast<int>(shard));
    loop_.parallel_options.shard = shard;
    Loop whole = loop_;
    whole.directory += "_whole";
    const auto expected = whole.run_on(ranks());
    loop_.stops_after = 5;  // after the checkpoint of step 4
    loop_.run_on(ranks());
    loop_.stops_after = 1000;
    loop_.started = [&](const Keeper& keeper) {
      EXPECT_EQ(keeper.step(), 4);
      EXPECT_THAT(keeper.resumed_from(), HasSubstr("step_00000004"));
    };
    EXPECT_EQ(loop_.run_on(ranks()), expected);
    loop_.started = {};
  }
}

TEST_P(KeeperTest, StopsOnAllRanksIfOneIsRequestedTo) {
  Loop whole = loop_;
  whole.directory += "_whole";
  const auto expected = whole.run_on(ranks());
  loop_.asks_in = 3;
  loop_.run_on(ranks());
  EXPECT_TRUE(has_checkpoint(3));
  EXPECT_FALSE(has_checkpoint(4));
  loop_.asks_in = 1000;
  EXPECT_EQ(loop_.run_on(ranks()), expected);
}

TEST_P(KeeperTest, AFinishedLoopStartsAtItsEnd) {
  const auto first = loop_.run_on(ranks());
  loop_.started = [](const Keeper& keeper) { EXPECT_EQ(keeper.step(), 6); };
  EXPECT_EQ(loop_.run_on(ranks()), first);
}

TEST_P(KeeperTest, AFailedSaveIsReported) {
  std::once_flag once;
  loop_.started = [&](const Keeper&) {
    std::call_once(once, [&] {
      std::filesystem::remove_all(loop_.directory);
      std::ofstream(loop_.directory) << "a file in its place";
    });
  };
  EXPECT_THROW(loop_.run_on(ranks()), StorageError);
}

// Ranks that are threads of one process share the record of the first.
TEST_P(KeeperTest, RecordsWhatTheLoopDoesIfAsked) {
  loop_.run_on(ranks());
  EXPECT_FALSE(std::filesystem::exists(directory_ / "run"));
  loop_.directory += "_recorded";
  loop_.run_directory = directory_ / "run";
  loop_.run_on(ranks());
  const auto records = io::read_flight_records(loop_.run_directory);
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(records[0].step, 6);
  EXPECT_EQ(records[0].end.kind, io::FlightEnd::Kind::returned);
  ASSERT_EQ(records[0].steps.size(), 6u);
  EXPECT_GT(records[0].steps[5].seconds[2], 0) << "backward";
}

TEST_P(KeeperTest, CallsTheProgramIfTheLoopHangs) {
  std::promise<std::string> called;
  std::once_flag once;
  loop_.run_directory = directory_ / "run";
  loop_.watch = {.limit_seconds = 0.1, .on_stall = [&](const std::string& line) {
                   std::call_once(once, [&] { called.set_value(line); });
                 }};
  auto line = called.get_future().share();
  loop_.started = [&](const Keeper&) { line.wait_for(std::chrono::seconds(100)); };
  loop_.run_on(ranks());
  ASSERT_EQ(line.wait_for(std::chrono::seconds(0)), std::future_status::ready);
  EXPECT_THAT(line.get(), HasSubstr("nothing has proceeded"));
  EXPECT_THAT(line.get(), HasSubstr("ripieno explain " + loop_.run_directory));
}

INSTANTIATE_TEST_SUITE_P(Ranks, KeeperTest, testing::Values(1, 2, 3));

TEST(Keeper, RefusesAnIntervalOfNoSteps) {
  const io::TemporaryDirectory directory;
  Session session(distributed::alone());
  nn::Mlp model({kFeatures, kClasses});
  optim::AdamW optimizer(model.parameters());
  EXPECT_THAT([&] { Keeper(directory / "kept", session, model, optimizer, {.every = 0}); },
              ThrowsMessage<ConfigurationError>(HasSubstr("every is 0")));
}

TEST(Keeper, RequiresDataParallelOnSeveralRanks) {
  const io::TemporaryDirectory directory;
  distributed::testing::on_every_rank(2, [&](distributed::Communicator& ranks) {
    Session session(ranks.duplicate());
    nn::Mlp model({kFeatures, kClasses});
    optim::AdamW optimizer(model.parameters());
    EXPECT_THAT([&] { Keeper(directory / "kept", session, model, optimizer); },
                ThrowsMessage<ConfigurationError>(HasSubstr("pass the DataParallel")));
  });
}

// Without the session every rank loads all rows of the batch.
TEST(LoopOfOnesOwn, RanksThatTrainOnTheSameRowsAreRefused) {
  const io::TemporaryDirectory directory;
  Loop loop{.directory = directory / "kept", .has_loader_part = false};
  EXPECT_NO_THROW(loop.run_on(1));
  loop.directory += "_by_two";
  EXPECT_THAT([&] { loop.run_on(2); },
              ThrowsMessage<ConfigurationError>(HasSubstr("ranks 0 and 1 loaded the same rows")));
}

}  // namespace
}  // namespace ripieno
