#include "ripieno/distributed/communicators/mpi/launcher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <initializer_list>
#include <map>
#include <optional>
#include <string>
#include <utility>

namespace ripieno::distributed {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

// Replaces the environment variables that launchers set, and restores them when destroyed.
class Environment {
 public:
  explicit Environment(std::initializer_list<std::pair<const char*, const char*>> variables = {}) {
    for (const char* name : {"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "PMI_RANK", "PMI_SIZE",
                             "PMIX_RANK", "SLURM_NTASKS", "SLURM_PROCID", "SLURM_STEP_NUM_TASKS"}) {
      const char* value = std::getenv(name);
      before_[name] = value ? std::optional<std::string>(value) : std::nullopt;
      unsetenv(name);
    }
    for (const auto& [name, value] : variables) setenv(name, value, 1);
  }
  ~Environment() {
    for (const auto& [name, value] : before_) {
      value ? setenv(name.c_str(), value->c_str(), 1) : unsetenv(name.c_str());
    }
  }
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

 private:
  std::map<std::string, std::optional<std::string>> before_;
};

TEST(Launcher, WithoutALauncherThereIsOneProcess) {
  const Environment none;
  EXPECT_FALSE(started_by_launcher());
  EXPECT_EQ(launched_size(), 1);
  EXPECT_EQ(launched_rank(), 0);
}

TEST(Launcher, RankAndSizeComeFromMpirun) {
  const Environment open_mpi({{"OMPI_COMM_WORLD_RANK", "2"}, {"OMPI_COMM_WORLD_SIZE", "4"}});
  EXPECT_TRUE(started_by_launcher());
  EXPECT_EQ(launched_size(), 4);
  EXPECT_EQ(launched_rank(), 2);
}

TEST(Launcher, AStepOfSeveralTasksIsDetectedWithoutMpi) {
  const Environment plain({{"SLURM_PROCID", "1"}, {"SLURM_STEP_NUM_TASKS", "4"}});
  EXPECT_FALSE(started_by_launcher());
  EXPECT_EQ(launched_size(), 4);
  EXPECT_THAT(explain_world_size_of_one("none"),
              AllOf(HasSubstr("srun started 4 tasks"), HasSubstr("srun --mpi=pmix")));
}

TEST(Launcher, ABatchScriptOfAJobWithSeveralTasksRunsOneProcess) {
  const Environment batch({{"SLURM_NTASKS", "4"}, {"SLURM_PROCID", "0"}});
  EXPECT_EQ(launched_size(), 1);
}

TEST(Launcher, AStepOfOneTaskInAJobWithSeveralIsOneProcess) {
  const Environment step({{"SLURM_NTASKS", "4"}, {"SLURM_STEP_NUM_TASKS", "1"}});
  EXPECT_EQ(launched_size(), 1);
}

TEST(Launcher, MpirunInAStepTakesPrecedence) {
  const Environment nested({{"OMPI_COMM_WORLD_RANK", "0"},
                            {"OMPI_COMM_WORLD_SIZE", "1"},
                            {"SLURM_STEP_NUM_TASKS", "2"}});
  EXPECT_EQ(launched_size(), 1);
}

TEST(Launcher, APmixRankGivesALowerBoundOfTheSize) {
  const Environment pmix({{"PMIX_RANK", "3"}});
  EXPECT_TRUE(started_by_launcher());
  EXPECT_EQ(launched_size(), 4);
}

TEST(Launcher, InvalidNumbersAreIgnored) {
  const Environment odd({{"PMI_RANK", "x"}, {"PMI_SIZE", "-3"}, {"SLURM_STEP_NUM_TASKS", "4 "}});
  EXPECT_FALSE(started_by_launcher());
  EXPECT_EQ(launched_size(), 1);
}

}  // namespace
}  // namespace ripieno::distributed
