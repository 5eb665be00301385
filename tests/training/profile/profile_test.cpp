#include "ripieno/training/profile/profile.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <string>
#include <thread>

#include "ripieno/core/error.h"
#include "ripieno/core/ops/arithmetic.h"
#include "ripieno/core/ops/matmul.h"
#include "ripieno/core/ops/reduce.h"
#include "ripieno/io/files/file_system.h"
#include "ripieno/training/profile/recording.h"
#include "ripieno/training/profile/table.h"
#include "training/run/tiny_run.h"

namespace ripieno {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsSupersetOf;
using ::testing::Not;

using Thread = std::pair<int, int>;  // (pid, tid)

int64_t ns_of(const json& microseconds) {
  return std::llround(microseconds.get<double>() * 1000.0);
}

// The rules of the Trace Event format for the two kinds of events that a trace has.
void expect_well_formed(const json& event) {
  SCOPED_TRACE(event.dump());
  ASSERT_TRUE(event.at("name").is_string() && event.at("args").is_object());
  EXPECT_FALSE(event.at("name").get<std::string>().empty());
  ASSERT_TRUE(event.at("pid").is_number_integer() && event.at("tid").is_number_integer());
  ASSERT_TRUE(event.at("ts").is_number());
  if (event.at("ph") == "M") {
    const std::set<std::string> known = {"process_name", "process_sort_index", "thread_name",
                                         "thread_sort_index"};
    EXPECT_TRUE(known.contains(event.at("name")));
    return;
  }
  EXPECT_EQ(event.at("ph"), "X");
  EXPECT_TRUE(event.at("cat").is_string());
  EXPECT_GE(event.at("ts").get<double>(), 0);
  EXPECT_GE(event.at("dur").get<double>(), 0);
}

// That on each thread, two events are disjoint or one contains the other.
void expect_nested(const std::vector<json>& of_thread) {
  std::vector<int64_t> ends;
  for (const json& event : of_thread) {
    const int64_t begin = ns_of(event.at("ts")), end = begin + ns_of(event.at("dur"));
    while (!ends.empty() && ends.back() <= begin) ends.pop_back();
    if (!ends.empty()) {
      EXPECT_LE(end, ends.back()) << event.dump();
    }
    ends.push_back(end);
  }
}

class Trace {
 public:
  explicit Trace(const std::string& path) {
    whole = json::parse(io::read_file(io::local_files(), path));
    std::set<Thread> named;
    std::map<Thread, std::vector<json>> threads;
    std::map<int, double> last;
    for (const json& event : whole.at("traceEvents")) {
      expect_well_formed(event);
      const Thread thread{event.at("pid"), event.at("tid")};
      if (event.at("name") == "thread_name") named.insert(thread);
      if (event.at("ph") != "X") continue;
      EXPECT_LE(last[thread.first], event.at("ts").get<double>());
      last[thread.first] = event.at("ts");
      threads[thread].push_back(event);
      names[event.at("name")] += 1;
      processes.insert(thread.first);
    }
    for (const auto& [thread, events] : threads) {
      EXPECT_TRUE(named.contains(thread));
      expect_nested(events);
      busy_threads.insert(thread);
    }
  }

  json whole;
  std::map<std::string, int> names;
  std::set<int> processes;
  std::set<Thread> busy_threads;
};

// The shares of each block of a table, in percent.
std::vector<std::vector<double>> shares_of(const std::string& table) {
  std::vector<std::vector<double>> blocks;
  std::istringstream lines(table);
  for (std::string line; std::getline(lines, line);) {
    if (line.find("GFLOP/s") != line.npos) blocks.emplace_back();
    const auto percent = line.find(" %");
    if (percent != line.npos) blocks.back().push_back(std::stod(line.substr(percent - 7, 7)));
  }
  return blocks;
}

class ProfileTest : public ::testing::Test {
 protected:
  TinyRun tiny(const std::string& name) {
    TinyRun run{.directory = directory / name};
    run.options.evaluate_every = 0;  // a validation would be part of the step before it
    run.options.profile = {.file = file,
                           .first_step = 3,
                           .last_step = 5,
                           .show = [this](const std::string& text) { table = text; },
                           .warn = [this](const std::string& text) { warning = text; }};
    return run;
  }

  TemporaryDirectory directory;
  const std::string file = directory / "trace.json";
  std::string table, warning;
};

TEST_F(ProfileTest, ContainsAllOperationsOfItsSteps) {
  tiny("run").train_on(1);
  const Trace trace(file);
  for (const char* name : {"step 3", "step 4", "step 5"}) EXPECT_EQ(trace.names.at(name), 1);
  EXPECT_THAT(trace.names, Not(Contains(testing::Key("step 2"))));
  EXPECT_THAT(trace.names, Not(Contains(testing::Key("step 6"))));
  for (const char* name : {"embedding", "attention", "residual_norm", "linear_cross_entropy",
                           "adamw", "gradient norm"})
    EXPECT_EQ(trace.names.at(name) % 3, 0) << name;
  for (const char* name : {"data", "backward", "optimizer", "attention: gradient",
                           "causal_attention: backward", "dropout"})
    EXPECT_THAT(trace.names, Contains(testing::Key(name)));
}

TEST_F(ProfileTest, HasAProductForEachLinearLayerOfEachMicroBatch) {
  tiny("whole").train_on(1);
  const int of_whole = Trace(file).names.at("linear");
  auto run = tiny("micro_batches");
  run.parallel_options.micro_batch_size = 2;  // of 8
  run.train_on(1);
  EXPECT_EQ(Trace(file).names.at("linear"), 4 * of_whole);
}

// The count of the row of an operation in a phase; 0: there is none.
int64_t count_in(const std::string& table, const std::string& operation, const std::string& phase) {
  std::istringstream lines(table);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with(operation + ' ') && line.substr(31, phase.size() + 1) == phase + ' ')
      return std::stoll(line.substr(53));
  }
  return 0;
}

TEST_F(ProfileTest, HasAPhaseForTheOperationsOfAValidation) {
  tiny("without").train_on(1);
  const int64_t of_steps = count_in(table, "attention", "forward");
  EXPECT_GT(of_steps, 0);
  EXPECT_EQ(count_in(table, "attention", "validation"), 0);
  auto run = tiny("with");
  run.options.evaluate_every = 4;
  run.train_on(1);
  EXPECT_EQ(count_in(table, "attention", "forward"), of_steps) << table;
  EXPECT_GT(count_in(table, "attention", "validation"), 0) << table;
}

TEST_F(ProfileTest, OfStrictModeHasTheSlotsOfAllThreads) {
  auto run = tiny("strict");
  run.parallel_options.slots = 4;
  run.train_on(1);
  const Trace trace(file);
  const int slots = 4, steps = 3;
  EXPECT_EQ(trace.names.at("attention") % (slots * steps), 0);
}

TEST_F(ProfileTest, HasTheRanksAsProcesses) {
  auto run = tiny("run");
  run.train_on(2);  // threads of this process, so the first rank records both
  const auto events = Trace(file).whole.at("traceEvents");
  std::set<int> named;
  for (const json& event : events)
    if (event.at("name") == "process_name") named.insert(event.at("pid").get<int>());
  EXPECT_THAT(named, ElementsAre(0, 1));
  EXPECT_THAT(Trace(file).names, Contains(testing::Key("all_reduce")));
}

TEST_F(ProfileTest, SharesOfEachBlockAddUpTo100) {
  tiny("run").train_on(1);
  const auto blocks = shares_of(table);
  ASSERT_FALSE(blocks.empty());
  for (const auto& shares : blocks) {
    double sum = 0;
    for (const double share : shares) {
      EXPECT_GE(share, 0);
      sum += share;
    }
    // Each is rounded to 0.1.
    EXPECT_NEAR(sum, 100, 0.05 * static_cast<double>(shares.size()));
  }
  EXPECT_THAT(table, AllOf(HasSubstr("profile of steps 3 to 5"), HasSubstr("attention"),
                           HasSubstr("not in an operation")));
  EXPECT_EQ(Trace(file).whole.at("otherData").at("table").get<std::string>(),
            table.substr(0, table.rfind("trace: ")));
}

TEST_F(ProfileTest, OfAResumedRunReplacesTheFile) {
  auto run = tiny("run");
  run.options.steps = 6;
  run.train_on(1);
  run.options.steps = 12;
  run.options.profile.first_step = 8;
  run.options.profile.last_step = 9;
  run.train_on(1);
  EXPECT_THAT(Trace(file).names,
              AllOf(Contains(testing::Key("step 8")), Not(Contains(testing::Key("step 3")))));
}

TEST_F(ProfileTest, OfStepsThatWereTakenBeforeKeepsTheFileAndSaysSo) {
  auto run = tiny("run");
  run.options.steps = 6;
  run.train_on(1);
  const auto before = io::read_file(io::local_files(), file);
  run.options.steps = 12;
  run.train_on(1);
  EXPECT_EQ(io::read_file(io::local_files(), file), before);
  EXPECT_EQ(warning, "profile: none of the steps 3 to 5 was taken, so " + file +
                         " was not written; choose other steps");
}

TEST_F(ProfileTest, OfARunThatEndsWithinItsStepsHasThoseThatWereTaken) {
  auto run = tiny("run");
  run.options.steps = 4;
  run.train_on(1);
  EXPECT_THAT(table, HasSubstr("profile of steps 3 to 4"));
  EXPECT_EQ(Trace(file).names.at("step 4"), 1);
}

TEST_F(ProfileTest, RecordsTenStepsFromTheSixthByDefault) {
  auto run = tiny("run");
  run.options.steps = 20;
  run.options.profile.first_step = run.options.profile.last_step = 0;
  run.train_on(1);
  EXPECT_THAT(table, HasSubstr("profile of steps 6 to 15"));
}

TEST_F(ProfileTest, WhoseFileCannotBeWrittenIsRefusedBeforeTheRunBegins) {
  auto run = tiny("run");
  for (const std::string& path : {directory / "absent/trace.json", directory / ""}) {
    run.options.profile.file = path;
    EXPECT_THROW(run.train_on(1), StorageError) << path;
  }
  EXPECT_FALSE(std::filesystem::exists(run.directory));
}

TEST_F(ProfileTest, WhoseFileCannotBeWrittenAtTheEndIsAWarning) {
  auto run = tiny("run");
  const std::string gone = directory / "gone";
  std::filesystem::create_directory(gone);
  run.options.profile.file = gone + "/trace.json";
  EXPECT_EQ(run.train_on(1, [&](Session&, int64_t) { std::filesystem::remove_all(gone); }), 0);
  EXPECT_THAT(warning, HasSubstr("the trace was not written; training continues: "));
  EXPECT_THAT(table, HasSubstr("profile of steps 3 to 5"));
}

TEST_F(ProfileTest, RequiresARangeOfSteps) {
  auto run = tiny("run");
  run.options.profile.last_step = 2;
  EXPECT_THROW(run.train_on(1), ConfigurationError);
}

TEST_F(ProfileTest, WorksInALoopWithoutARun) {
  Session session(distributed::alone());
  Profile profile(session, {.file = file, .first_step = 1, .last_step = 2, .show = [&](auto& text) {
                              table = text;
                            }});
  const Tensor a = Tensor::full({8, 8}, 1);
  for (int64_t step = 1; step <= 3; ++step) {
    profile.begin_step(step);
    matmul(a, a);
  }
  EXPECT_EQ(Trace(file).names.at("matmul"), 2);
  EXPECT_THAT(table, HasSubstr("profile of steps 1 to 2"));
}

TEST(Recording, MeasuresTheOwnTimeOfNestedOperations) {
  auto recording = profiles::Recording::start(Device::cpu());
  {
    const trace::Scope phase({.name = "outer"});
    Tensor::full({4}, 1) + Tensor::full({4}, 1);
  }
  const auto recorded = recording->stop();
  ASSERT_EQ(recorded.tracks.size(), 1u);
  const auto& intervals = recorded.tracks[0].intervals;
  const auto& outer = intervals.back();
  EXPECT_EQ(outer.name, "outer");
  int64_t within = 0;
  for (std::size_t i = 0; i + 1 < intervals.size(); ++i) {
    EXPECT_EQ(intervals[i].phase, "outer");
    within += intervals[i].duration;
  }
  EXPECT_EQ(outer.own, outer.duration - within);
}

TEST(Recording, OfSeveralThreadsHasATrackForEach) {
  auto recording = profiles::Recording::start(Device::cpu());
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([] {
      for (int n = 0; n < 100; ++n) Tensor::full({4}, 1) + Tensor::full({4}, 1);
    });
  for (auto& thread : threads) thread.join();
  const auto recorded = recording->stop();
  ASSERT_EQ(recorded.tracks.size(), 5u);
  for (std::size_t i = 1; i < 5; ++i) EXPECT_EQ(recorded.tracks[i].intervals.size(), 300u);
}

TEST(Recording, WhileOthersComputeCanBeStoppedAndStartedAgain) {
  std::atomic<bool> ends = false;
  std::vector<std::thread> threads;
  for (int i = 0; i < 2; ++i)
    threads.emplace_back([&] {
      while (!ends) Tensor::full({4}, 1) + Tensor::full({4}, 1);
    });
  for (int i = 0; i < 50; ++i) {
    auto recording = profiles::Recording::start(Device::cpu());
    ASSERT_NE(recording, nullptr);
    EXPECT_EQ(profiles::Recording::start(Device::cpu()), nullptr);
    recording->stop();
  }
  ends = true;
  for (auto& thread : threads) thread.join();
}

TEST(Recording, EndsAtItsLimitAndSaysSo) {
  auto recording = profiles::Recording::start(Device::cpu(), 5);
  recording->begin_step(1);
  for (int i = 0; i < 10; ++i) Tensor::full({4}, 1);
  recording->begin_step(2);
  const auto recorded = recording->stop();
  EXPECT_TRUE(recorded.reached_limit);
  EXPECT_EQ(recorded.tracks[0].intervals.size(), 5u);
  ASSERT_EQ(recorded.steps.size(), 1u);
  EXPECT_EQ(recorded.steps[0].begin + recorded.steps[0].duration, recorded.duration);
  EXPECT_THAT(profiles::table_of(recorded, 0, 1), HasSubstr("ended early, at its limit"));
}

TEST(Recording, ABackwardWithoutReportedOperationsIsAnOperation) {
  Tensor x = Tensor::full({2, 3}, 1);
  x.set_requires_gradient(true);
  const Tensor total = sum(x.reshape({6}), 0);
  auto recording = profiles::Recording::start(Device::cpu());
  recording->begin_step(1);
  total.backward();
  EXPECT_THAT(profiles::table_of(recording->stop(), 0, 1), HasSubstr("reshape: backward"));
}

}  // namespace
}  // namespace ripieno
