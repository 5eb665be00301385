#include "ripieno/training/run/run.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "ripieno/core/error.h"
#include "ripieno/io/files/file_system.h"
#include "training/run/tiny_run.h"

namespace ripieno {
namespace {

using testing::HasSubstr;

class RunTest : public testing::Test {
 protected:
  TinyRun tiny(const std::string& name) const { return {.directory = directory / name}; }
  TemporaryDirectory directory;
};

std::string error_of(const TinyRun& run, int ranks = 1) {
  try {
    run.train_on(ranks);
  } catch (const std::exception& error) {
    return error.what();
  }
  return "no error";
}

std::string text_of(std::FILE* file) {
  std::fflush(file);
  std::rewind(file);
  std::string text(100'000, '\0');
  text.resize(std::fread(text.data(), 1, text.size(), file));
  return text;
}

std::string fmt_of(double loss) {
  char text[40];
  std::snprintf(text, sizeof text, "validation %.4f", loss);
  return text;
}

void expect_close(const std::map<int64_t, double>& a, const std::map<int64_t, double>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (const auto& [step, loss] : a) EXPECT_NEAR(loss, b.at(step), 1e-6 * loss) << "step " << step;
}

TEST_F(RunTest, LogsEveryStepAndValidatesAtTheIntervalAndAtTheEnd) {
  auto run = tiny("run");
  run.options.steps = 10;
  EXPECT_EQ(run.train_on(1), 0);
  EXPECT_EQ(run.losses().size(), 10u);
  EXPECT_THAT(run.validation_losses(),
              testing::ElementsAre(testing::Key(4), testing::Key(8), testing::Key(10)));
}

TEST_F(RunTest, InFloat16AdaptsTheLossScaleAndLearns) {
  auto run = tiny("run");
  run.precision = DType::float16;
  run.options.steps = 40;
  EXPECT_EQ(run.train_on(1), 0);
  const auto skipped = static_cast<int64_t>(run.skipped_steps().at(40));
  EXPECT_GT(skipped, 0);  // 2^16 is too much for a loss that is a sum
  EXPECT_EQ(run.loss_scales().at(40), std::ldexp(65536.0, static_cast<int>(-skipped)));
  EXPECT_LT(run.losses().at(40), run.losses().at(1) - 0.1);
}

TEST_F(RunTest, InFloat16AllRanksSkipTheSameSteps) {
  for (const auto shard : {distributed::Shard::none, distributed::Shard::gradients}) {
    auto run = tiny("run" + std::to_string(static_cast<int>(shard)));
    run.precision = DType::float16;
    run.parallel_options.shard = shard;
    run.options.check_every = 1;  // compares the ranks
    EXPECT_EQ(run.train_on(3), 0);
    EXPECT_GT(run.skipped_steps().at(12), 0);
  }
}

TEST_F(RunTest, InStrictModeLogsTheSameBitsOnAnyNumberOfRanks) {
  auto alone = tiny("alone");
  alone.parallel_options.slots = 4;
  alone.options.evaluation_batch_size =
      7;  // slots of different sizes; some of the last batch are empty
  alone.train_on(1);
  for (const int ranks : {2, 3, 4}) {
    auto several = alone;
    several.directory = directory / std::to_string(ranks);
    several.train_on(ranks);
    EXPECT_EQ(several.losses(), alone.losses());
    EXPECT_EQ(several.validation_losses(), alone.validation_losses());
  }
}

TEST_F(RunTest, RejectsADataParallelWithOtherSlotsThanTheSession) {
  Session session(distributed::alone());
  const auto data = io::TokenData::of(tiny_text(), io::Tokenizer::characters_of(tiny_text()));
  io::TokenLoader loader(data, {.batch_size = 8, .context = 16}, session);
  nn::Gpt model({.vocab = 4, .layers = 1, .heads = 2, .channels = 8, .context = 16});
  optim::AdamW optimizer(model.parameters());
  distributed::DataParallel parallel(model, optimizer, session.communicator(), {.slots = 4});
  EXPECT_THAT(
      [&] {
        ripieno::Run(directory / "run", session, model, optimizer, loader, {.parallel = &parallel});
      },
      testing::ThrowsMessage<ConfigurationError>(HasSubstr("call Session::set_slots(4)")));
}

TEST_F(RunTest, Learns) {
  auto run = tiny("run");
  run.options.steps = 60;
  run.train_on(1);
  EXPECT_LT(run.losses().at(60), 0.9 * run.losses().at(1));
}

TEST_F(RunTest, KeysRandomNumbersByTheStep) {
  auto run = tiny("run");
  run.train_on(1, [](Session&, int64_t step) {
    if (step < 0) return;  // a validation
    EXPECT_EQ(random_context().step, static_cast<uint64_t>(step));
  });
}

TEST_F(RunTest, FollowsTheScheduleAlsoAfterARestart) {
  auto run = tiny("run");
  const optim::Schedule schedule{
      .kind = optim::Schedule::Kind::cosine, .peak = 1e-2, .warmup_steps = 3, .steps = 12};
  run.options.schedule = schedule;
  run.options.steps = 5;
  run.train_on(1);
  run.options.steps = 12;
  run.train_on(1);
  for (const auto& metrics : io::read_metrics(run.directory + "/metrics.jsonl")) {
    EXPECT_EQ(metrics.get(io::metric::kLearningRate), schedule.at(metrics.step));
  }
}

TEST_F(RunTest, WithAScheduleWithoutAPeakStartsFromTheOptimizersLearningRate) {
  auto run = tiny("run");
  run.options.schedule = optim::Schedule{.kind = optim::Schedule::Kind::linear, .steps = 12};
  run.options.steps = 5;
  run.train_on(1);
  run.options.steps = 12;
  run.train_on(1);
  const auto rates = run.values(io::metric::kLearningRate);
  EXPECT_DOUBLE_EQ(rates.at(3), 1e-2 * 9 / 12);
  EXPECT_DOUBLE_EQ(rates.at(6), 1e-2 * 6 / 12);
}

TEST_F(RunTest, LogsTheSecondsOfEachPhaseOfAStep) {
  auto run = tiny("run");
  run.train_on(2);
  for (const auto& metrics : io::read_metrics(run.directory + "/metrics.jsonl")) {
    ASSERT_EQ(metrics.seconds.size(), 7u);
    double sum = 0;
    for (std::size_t i = 0; i < 6; ++i) sum += metrics.seconds[i].second;
    EXPECT_NEAR(metrics.seconds[6].second, sum, 1e-9);
    EXPECT_GT(metrics.seconds[StepClock::backward].second, 0);
    EXPECT_GT(metrics.seconds[StepClock::communication_exposed].second, 0);
    EXPECT_GT(metrics.seconds[StepClock::optimizer].second, 0);
  }
}

TEST_F(RunTest, ContinuesAsIfItHadNeverStopped) {
  auto whole = tiny("whole"), halves = tiny("halves");
  whole.train_on(1);
  halves.options.steps = 7;
  halves.train_on(1);
  halves.options.steps = 12;
  halves.train_on(1);
  EXPECT_EQ(halves.losses(), whole.losses());
  EXPECT_EQ(halves.validation_losses().at(12), whole.validation_losses().at(12));
}

TEST_F(RunTest, GivesTheSameLossesOnAnyNumberOfRanks) {
  auto alone = tiny("alone");
  alone.train_on(1);
  for (const int ranks : {2, 3, 4}) {
    auto run = tiny(std::to_string(ranks));
    run.train_on(ranks);
    expect_close(run.losses(), alone.losses());
    expect_close(run.validation_losses(), alone.validation_losses());
  }
}

TEST_F(RunTest, ContinuesOnFewerRanks) {
  auto whole = tiny("whole");
  whole.train_on(1);
  for (const int ranks : {2, 1}) {
    auto run = tiny(std::to_string(ranks));
    run.options.steps = 7;
    run.train_on(4);
    run.options.steps = 12;
    run.train_on(ranks);
    expect_close(run.losses(), whole.losses());
  }
}

TEST_F(RunTest, StopsAllRanksAfterTheSameStepIfOneIsRequestedToStop) {
  auto run = tiny("run");
  const auto ask = [](Session& session, int64_t step) {
    if (session.rank() == 2 && step == 3) session.ask_to_stop();
  };
  EXPECT_EQ(run.train_on(3, ask), 75);
  EXPECT_EQ(run.losses().size(), 3u);
  EXPECT_EQ(run.train_on(3), 0);
  EXPECT_EQ(run.losses().size(), 12u);
}

TEST_F(RunTest, StopsInTheMiddleOfAValidationAndRepeatsItLater) {
  auto whole = tiny("whole"), run = tiny("run");
  whole.train_on(1);
  const auto ask = [](Session& session, int64_t step) {
    if (step == -1) session.ask_to_stop();
  };
  EXPECT_EQ(run.train_on(1, ask), 75);
  EXPECT_EQ(run.losses().size(), 4u);
  EXPECT_TRUE(run.validation_losses().empty());
  EXPECT_EQ(run.train_on(1), 0);
  EXPECT_EQ(run.losses(), whole.losses());
  EXPECT_EQ(run.validation_losses(), whole.validation_losses());
}

TEST_F(RunTest, KeepsOnlyTheNewestCheckpoints) {
  auto run = tiny("run");
  run.options.checkpoint_every = 1;
  run.options.keep.newest = 2;
  run.train_on(1);
  const std::filesystem::path checkpoints = run.directory + "/checkpoints";
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(checkpoints)) {
    names.push_back(entry.path().filename());
  }
  EXPECT_THAT(names, testing::UnorderedElementsAre("step_00000011", "step_00000012"));
}

TEST_F(RunTest, TakesNoStepOnceFinished) {
  auto run = tiny("run");
  run.train_on(1);
  int64_t steps = 0;
  EXPECT_EQ(run.train_on(1, [&](Session&, int64_t) { ++steps; }), 0);
  EXPECT_EQ(steps, 0);
}

TEST_F(RunTest, WithResumeNeverStartsAtZeroAndSetsCheckpointsAside) {
  auto run = tiny("run");
  run.train_on(1);
  const auto before = run.losses();
  run.options.resume = "never";
  run.options.steps = 6;
  run.train_on(1);
  EXPECT_EQ(run.losses().size(), 6u);
  const std::string old = run.directory + "/checkpoints/step_00000012";
  EXPECT_FALSE(std::filesystem::exists(old));
  EXPECT_TRUE(std::filesystem::exists(old + ".set_aside"));
}

TEST_F(RunTest, ResumesFromAGivenCheckpoint) {
  auto run = tiny("run");
  run.train_on(1);
  const auto whole = run.losses();
  run.options.resume = run.directory + "/checkpoints/step_00000005";
  int64_t first = 0;
  run.train_on(1, [&](Session&, int64_t step) { first = first ? first : step; });
  EXPECT_EQ(first, 6);
  EXPECT_EQ(run.losses(), whole);
}

TEST_F(RunTest, NamesTheFirstParameterThatDiffersFromTheCheckpoint) {
  auto run = tiny("run");
  run.train_on(1);
  run.channels = 16;
  EXPECT_THAT(error_of(run), HasSubstr("tokens.weight"));
}

TEST_F(RunTest, FailsIfAllCheckpointsAreDamaged) {
  auto run = tiny("run");
  run.options.keep.newest = 1;
  run.train_on(1);
  std::ofstream(run.directory + "/checkpoints/step_00000012/manifest.json") << "{}";
  EXPECT_THROW(run.train_on(1), DataError);
  EXPECT_THAT(error_of(run), HasSubstr("step_00000012"));
}

TEST_F(RunTest, ReportsAMissingCheckpoint) {
  auto run = tiny("run");
  run.options.resume = directory / "nowhere";
  EXPECT_THAT(error_of(run), HasSubstr("nowhere: no such checkpoint"));
}

TEST_F(RunTest, ReportsAnUnusableRunDirectory) {
  auto run = tiny("run");
  std::ofstream(run.directory) << "a file";
  EXPECT_THROW(run.train_on(1), ConfigurationError);
  EXPECT_THAT(error_of(run), HasSubstr(run.directory));
}

TEST_F(RunTest, ReportsAnErrorOnOneRankAndEndsTheOthersSilently) {
  auto run = tiny("run");
  run.options.resume = directory / "nowhere";
  auto group = distributed::in_process(2);
  std::string second = "nothing";
  std::thread other([&] {
    Session session(std::move(group[1]));
    try {
      run.train(session);
    } catch (const RankFailure& failure) {
      second = failure.what();
    }
  });
  Session session(std::move(group[0]));
  EXPECT_THROW(run.train(session), RankFailure);
  other.join();
  EXPECT_EQ(second, "");
}

TEST_F(RunTest, WritesAndShowsMetricsOfTheProgram) {
  auto run = tiny("run");
  run.extra_metrics = [](int64_t step) -> std::vector<io::Metric> {
    return {{"kl", 0.5 * static_cast<double>(step)}};
  };
  run.options.shown = {"kl"};
  run.options.progress = std::tmpfile();
  EXPECT_EQ(run.train_on(2), 0);
  EXPECT_EQ(run.values("kl").at(12), 6.0);
  EXPECT_THAT(text_of(run.options.progress), HasSubstr("kl 6"));
  EXPECT_THAT(io::read_file(io::local_files(), run.directory + "/report.html"),
              HasSubstr("<h2>kl</h2>"));
  std::fclose(run.options.progress);
}

TEST_F(RunTest, RejectsAMetricOfTheProgramWithAReservedName) {
  auto run = tiny("run");
  run.extra_metrics = [](int64_t) -> std::vector<io::Metric> { return {{"loss", 1.0}}; };
  EXPECT_THAT(error_of(run), HasSubstr("'loss' cannot be the name"));
}

TEST_F(RunTest, HasTheNewestValidationOnEveryRank) {
  auto run = tiny("run");
  run.options.evaluate_every = 4;
  std::atomic<int> calls = 0;
  run.stops_early = [&](ripieno::Run& it) {
    EXPECT_EQ(it.validated().has_value(), it.step() >= 4);
    if (it.step() >= 4) {
      EXPECT_EQ(it.validated()->step, it.step() / 4 * 4);
      EXPECT_EQ(it.validated()->get(io::metric::kValidationLoss).has_value(), true);
    }
    ++calls;
    return false;
  };
  run.train_on(3);
  EXPECT_EQ(calls, 3 * 12);
}

TEST_F(RunTest, ShowsTheLastValidationAtTheEndOfTheProgress) {
  auto run = tiny("run");
  run.options.progress = std::tmpfile();
  run.train_on(1);
  const double last = run.validation_losses().at(12);
  EXPECT_THAT(text_of(run.options.progress), HasSubstr(fmt_of(last)));
  std::fclose(run.options.progress);
}

TEST_F(RunTest, WithResumeNeverSetsACheckpointOfStepZeroAside) {
  auto run = tiny("run");
  run.train_on(1);
  const std::filesystem::path checkpoints = run.directory + "/checkpoints";
  std::filesystem::rename(checkpoints / "step_00000012", checkpoints / "step_00000000");
  run.options.resume = "never";
  run.options.steps = 3;
  run.train_on(1);
  EXPECT_FALSE(std::filesystem::exists(checkpoints / "step_00000000"));
}

TEST_F(RunTest, DropsMetricsAfterTheStepItResumesFrom) {
  auto run = tiny("run");
  run.train_on(1);
  run.options.resume = run.directory + "/checkpoints/step_00000005";
  run.options.steps = 7;
  run.train_on(1);
  EXPECT_EQ(run.losses().rbegin()->first, 7);
}

TEST_F(RunTest, SetsAnUnreadableRecordAsideWithAWarning) {
  auto run = tiny("run");
  run.options.steps = 5;
  run.train_on(1);
  std::ofstream(run.directory + "/run.json") << "{";
  run.options.steps = 6;
  run.options.messages = std::tmpfile();
  EXPECT_EQ(run.train_on(1), 0);
  EXPECT_THAT(text_of(run.options.messages), HasSubstr("run.json"));
  EXPECT_TRUE(std::filesystem::exists(run.directory + "/run.json.set_aside"));
  std::fclose(run.options.messages);
}

TEST_F(RunTest, WarnsAboutUnreadableLinesOfMetrics) {
  auto run = tiny("run");
  run.options.steps = 5;
  run.train_on(1);
  std::ofstream(run.directory + "/metrics.jsonl", std::ios::app)
      << std::string(64, '\0') << "{\"step\":6,\"loss\":3.0}\n\n";
  std::filesystem::remove(run.directory + "/report.html");
  run.options.steps = 8;
  run.options.messages = std::tmpfile();
  EXPECT_EQ(run.train_on(1), 0);
  EXPECT_THAT(text_of(run.options.messages), HasSubstr("2 lines cannot be read"));
  EXPECT_TRUE(std::filesystem::exists(run.directory + "/report.html"));
  EXPECT_EQ(run.losses().size(), 8u);
  std::fclose(run.options.messages);
}

TEST_F(RunTest, ContinuesIfItsMetricsCannotBeWritten) {
  auto run = tiny("run");
  std::filesystem::create_directories(run.directory + "/metrics.jsonl/in_the_way");
  run.options.messages = std::tmpfile();
  EXPECT_EQ(run.train_on(1), 0);
  EXPECT_THAT(text_of(run.options.messages), HasSubstr("metrics.jsonl"));
  EXPECT_TRUE(std::filesystem::exists(run.directory + "/checkpoints/step_00000012"));
  std::fclose(run.options.messages);
}

TEST_F(RunTest, RecordsHyperparametersInEachStartAndCheckpoint) {
  auto run = tiny("run");
  run.options.hyperparameters = {
      {"hidden", 64}, {"decay", 0.5}, {"tied", true}, {"note", "no dropout"}};
  run.train_on(2);
  const nlohmann::json expected = {
      {"hidden", 64}, {"decay", 0.5}, {"tied", true}, {"note", "no dropout"}};
  std::ifstream file(run.directory + "/run.json");
  const auto record = nlohmann::json::parse(file);
  EXPECT_EQ(record["starts"][0]["configuration"]["hyperparameters"], expected);
  const auto checkpoint =
      io::Checkpoint::open(io::local_files(), run.directory + "/checkpoints/step_00000012");
  EXPECT_EQ(checkpoint.training_state()["configuration"]["hyperparameters"], expected);
  EXPECT_THAT(io::read_file(io::local_files(), run.directory + "/report.html"),
              HasSubstr("no dropout"));
}

TEST_F(RunTest, ReturnsWhatItKeepsInCheckpointsAlsoAfterARestart) {
  auto run = tiny("run");
  run.before_loop = [](ripieno::Run& it) {
    EXPECT_TRUE(it.kept("phase").is_null());
    it.keep_in_checkpoints("phase", 2);
    EXPECT_EQ(it.kept("phase"), 2);
  };
  run.train_on(2);
  run.before_loop = [](ripieno::Run& it) { EXPECT_EQ(it.kept("phase"), 2); };
  for (const int64_t steps : {14, 16}) {  // the first of these starts keeps nothing itself
    run.options.steps = steps;
    run.train_on(1);
  }
}

TEST_F(RunTest, RejectsToKeepAValueUnderANameOfItsOwn) {
  auto run = tiny("run");
  run.before_loop = [](ripieno::Run& it) { it.keep_in_checkpoints("samples", 0); };
  EXPECT_THAT(error_of(run), HasSubstr("'samples' cannot be kept in checkpoints"));
}

TEST_F(RunTest, KeepsOneOfTheNamesThatAProgramCannotForEachMemberOfItsOwn) {
  auto run = tiny("run");
  run.precision = DType::float16;
  run.options.keep.best = 1;
  run.options.hyperparameters = {{"hidden", 64}};
  run.stops_early = [](ripieno::Run& it) { return it.step() == 8; };
  run.train_on(1);
  const auto state =
      io::Checkpoint::open(io::local_files(), run.directory + "/checkpoints/step_00000008")
          .training_state();
  run.directory = directory / "names";
  for (const auto& [name, value] : state.items()) {
    run.before_loop = [own = name](ripieno::Run& it) { it.keep_in_checkpoints(own, 0); };
    EXPECT_THAT(error_of(run), HasSubstr("cannot be kept in checkpoints")) << name;
  }
}

TEST_F(RunTest, RecordsEachStart) {
  auto run = tiny("run");
  run.options.steps = 5;
  run.train_on(2);
  run.options.steps = 6;
  run.train_on(1);
  std::ifstream file(run.directory + "/run.json");
  const auto record = nlohmann::json::parse(file);
  ASSERT_EQ(record.at("starts").size(), 2u);
  EXPECT_EQ(record["starts"][0].at("world_size"), 2);
  EXPECT_TRUE(record["starts"][0].at("resumed_from").is_null());
  EXPECT_EQ(record["starts"][0].at("parallel").at("buckets"), 1);
  EXPECT_GT(record["starts"][0].at("memory").at("persistent_bytes_per_parameter"), 15.9);
  EXPECT_THAT(record["starts"][1].at("resumed_from").get<std::string>(),
              HasSubstr("step_00000005"));
}

}  // namespace
}  // namespace ripieno
