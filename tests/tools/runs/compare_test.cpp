#include "ripieno/tools/runs/compare.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>

#include "io/files/temporary_directory.h"
#include "ripieno/tools/runs/run_list.h"
#include "ripieno/training/session/exit_status.h"

namespace ripieno::tools::runs {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class RunsTest : public testing::Test {
 protected:
  std::string write(const std::string& name, const std::string& metrics,
                    const std::string& start = "{}") {
    const std::string path = directory.path() + "/" + name;
    std::filesystem::create_directories(path);
    std::ofstream(path + "/metrics.jsonl") << metrics;
    std::ofstream(path + "/run.json") << "{\"starts\":[" + start + "]}";
    return path;
  }
  io::TemporaryDirectory directory;
};

using CompareTest = RunsTest;

TEST_F(CompareTest, FindsTheFirstStepWhoseLossDiffersInTheLastBit) {
  const auto a = write("a", "{\"step\":1,\"loss\":0.1}\n{\"step\":2,\"loss\":0.3}\n");
  const auto b =
      write("b", "{\"step\":1,\"loss\":0.1}\n{\"step\":2,\"loss\":0.30000000000000004}\n");
  const auto losses = compare(a, b).losses;
  EXPECT_EQ(losses.common, 2);
  ASSERT_TRUE(losses.first);
  EXPECT_EQ(losses.first->step, 2);
  EXPECT_THAT(to_text(losses), HasSubstr("0.30000000000000004"));
}

TEST_F(CompareTest, TakesLossesThatAreNotFiniteForEqual) {
  const auto a = write("a", "{\"step\":1,\"loss\":null}\n{\"step\":3,\"loss\":1}\n");
  const auto b = write("b", "{\"step\":1,\"loss\":null}\n{\"step\":2,\"loss\":1}\n");
  EXPECT_EQ(to_text(compare(a, b).losses), "losses: equal bit by bit in 1 common step");
}

TEST_F(CompareTest, NamesTheKeysThatDiffer) {
  const auto a = write("a", "", R"({"seed": 1, "configuration": {"train": {"seed": 1, "n": 2}}})");
  const auto b = write("b", "", R"({"seed": 2, "configuration": {"train": {"seed": 2, "n": 2}},
                                    "git": {"commit": "1f"}})");
  std::vector<std::string> keys;
  for (const auto& difference : compare(a, b).differences) keys.push_back(difference.key);
  EXPECT_THAT(keys, ElementsAre("configuration.train.seed", "seed", "git.commit"));
}

TEST_F(CompareTest, LeavesOutWhatDiffersInEachJob) {
  const std::string settings = R"("origins": {}, "configuration": {}, )";
  const auto start = [](const std::string& more, const char* n) {
    return "{" + more + R"("command": ["train", "--run-dir", ")" + n +
           R"("], "environment": {"OMPI_MCA_ess_base_jobid": ")" + n + R"(", "SLURM_JOB_ID": ")" +
           n + R"(", "OMP_NUM_THREADS": ")" + n + "\"}}";
  };
  const auto keys_of = [](const Comparison& comparison) {
    std::vector<std::string> keys;
    for (const auto& difference : comparison.differences) keys.push_back(difference.key);
    return keys;
  };
  EXPECT_THAT(
      keys_of(compare(write("a", "", start(settings, "1")), write("b", "", start(settings, "2")))),
      ElementsAre("environment.OMP_NUM_THREADS"));
  // Without settings, the command is all that is known.
  EXPECT_THAT(keys_of(compare(write("c", "", start("", "1")), write("d", "", start("", "2")))),
              ElementsAre("command", "environment.OMP_NUM_THREADS"));
}

TEST_F(CompareTest, ComparesLossesIfARecordIsDamaged) {
  const auto a = write("a", "{\"step\":1,\"loss\":1}\n"),
             b = write("b", "{\"step\":1,\"loss\":1}\n");
  std::ofstream(b + "/run.json") << "{";
  const auto comparison = compare(a, b);
  EXPECT_EQ(comparison.losses.common, 1);
  EXPECT_THAT(comparison.remarks, ElementsAre(HasSubstr("run.json is damaged")));
}

TEST_F(CompareTest, RefusesWhatIsNoRun) {
  EXPECT_THROW(compare(directory.path(), directory.path()), UsageError);
}

using RunListTest = RunsTest;

TEST_F(RunListTest, FindsRunsButNothingInThem) {
  const auto a = write("x/y/a", ""), b = write("b", "");
  std::filesystem::create_directories(b + "/ranks");
  write("b/inner", "");
  std::filesystem::create_directory_symlink(directory.path(), directory.path() + "/loop");
  EXPECT_THAT(find_runs(directory.path()).paths, ElementsAre(b, a));
  EXPECT_THROW(find_runs(directory.path() + "/none"), UsageError);
}

TEST_F(RunListTest, HasTheLastStartFirstAndDamagedRunsToo) {
  write("a", "{\"step\":7,\"loss\":1.5,\"samples_per_s\":3}\n",
        R"({"started_at":"2026-01-01T00:00:00Z","world_size":4,"devices":["cuda:0"],
            "configuration":{"schedule":{"steps":9}}})");
  write("b", "", R"({"started_at":"2026-02-01T00:00:00Z"})");
  std::ofstream(write("c", "") + "/run.json") << "{";
  const auto runs = summarize(io::local_files(), find_runs(directory.path()).paths);
  ASSERT_EQ(runs.size(), 3u);
  EXPECT_THAT(runs[0].path, testing::EndsWith("/b"));
  EXPECT_EQ(runs[1].step, 7);
  EXPECT_EQ(runs[1].steps, 9);
  EXPECT_EQ(runs[1].ranks, 4);
  EXPECT_EQ(runs[1].device, "cuda");
  EXPECT_EQ(runs[1].units_per_s, 3);
  EXPECT_THAT(runs[2].problem, HasSubstr("damaged"));
}

}  // namespace
}  // namespace ripieno::tools::runs
