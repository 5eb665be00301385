#include "ripieno/tools/runs/recorded_command.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "ripieno/core/error.h"
#include "ripieno/tools/runs/file_build_id.h"
#include "ripieno/training/session/build_identity.h"

namespace ripieno::tools::runs {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

nlohmann::json record() {
  return nlohmann::json::parse(R"json({"starts": [{
    "program": "/bin/train_gpt", "directory": "/data", "world_size": 1, "resumed_from": null,
    "hosts": ["a"], "build": {"id": "12ab"}, "origins": {},
    "command": ["./train_gpt", "--config", "a.toml", "--set", "train.seed=3", "--run-dir=r",
                "--device", "cpu", "--threads", "2", "--quiet", "--steps", "7",
                "--profile", "p.json", "--profile-steps", "5-6"],
    "environment": {"OMP_NUM_THREADS": "2", "NCCL_API_KEY": "(redacted)", "LANG": "C"},
    "configuration": {"train": {"seed": 3, "rate": 1e-05, "name": "a \"b\"", "on": true},
                      "data": {"paths": ["x", "y"]}, "hyperparameters": {"h": 1}}}]})json");
}

TEST(RecordedCommand, KeepsTheOptionsThatTheConfigurationDoesNotContain) {
  const auto command = recorded_command(record(), "run");
  EXPECT_THAT(command.options, ElementsAre("--device", "cpu", "--quiet"));
  EXPECT_THAT(words_of(command, "launch", "c.toml", "new", 40),
              ElementsAre("/bin/train_gpt", "--config", "c.toml", "--run-dir", "new", "--resume",
                          "never", "--steps", "40", "--device", "cpu", "--quiet"));
}

TEST(RecordedCommand, WritesTheConfigurationAsToml) {
  EXPECT_EQ(recorded_command(record(), "run").configuration,
            "[data]\npaths = [\"x\",\"y\"]\n\n"
            "[train]\nname = \"a \\\"b\\\"\"\non = true\nrate = 1e-05\nseed = 3\n\n");
}

TEST(RecordedCommand, HasNeitherAlertsNorAnAddressInItsConfiguration) {
  auto other = record();
  other["starts"][0]["configuration"] = {
      {"alerts", {{"rules", {"loss > 8 -> mail me"}}}},
      {"metrics",
       {{"prometheus_address", ":9100"}, {"prometheus_directory", "/node"}, {"prometheus", true}}}};
  EXPECT_EQ(recorded_command(other, "run").configuration, "[metrics]\nprometheus = true\n\n");
}

TEST(RecordedCommand, WritesControlCharactersAsTomlDoes) {
  auto other = record();
  other["starts"][0]["configuration"] = {{"data", {{"path", "a\x7f\x1b\n"}}}};
  EXPECT_EQ(recorded_command(other, "run").configuration,
            "[data]\npath = \"a\\u007f\\u001b\\n\"\n\n");
}

TEST(RecordedCommand, TakesVariablesThatChangeNumbersAndSaysWhichAreSecret) {
  const auto command = recorded_command(record(), "run");
  EXPECT_THAT(command.environment, ElementsAre(testing::Pair("OMP_NUM_THREADS", "2")));
  EXPECT_THAT(command.remarks, ElementsAre(HasSubstr("NCCL_API_KEY is not recorded")));
}

TEST(RecordedCommand, LaunchesSeveralRanks) {
  auto several = record();
  several["starts"][0]["world_size"] = 2;
  several["starts"][0]["hosts"] = {"a", "a"};
  const auto words = words_of(recorded_command(several, "run"), "launch", "c.toml", "new", 0);
  EXPECT_THAT(std::vector(words.begin(), words.begin() + 4),
              ElementsAre("launch", "-n", "2", "--max-restarts"));
}

std::string refusal(const nlohmann::json& of) {
  try {
    recorded_command(of, "run");
  } catch (const DataError& error) {
    return error.what();
  }
  return "";
}

TEST(RecordedCommand, RefusesWhatTheRecordDoesNotSay) {
  EXPECT_THAT(refusal({{"starts", nlohmann::json::array()}}), HasSubstr("has no start"));
  auto changed = record();
  changed["starts"][0].erase("program");
  EXPECT_THAT(refusal(changed), HasSubstr("an older version"));
  changed = record();
  changed["starts"][0].erase("origins");
  EXPECT_THAT(refusal(changed), HasSubstr("--run-dir"));
  changed = record();
  changed["starts"][0]["hosts"] = {"a", "b"};
  EXPECT_THAT(refusal(changed), HasSubstr("2 hosts"));
}

TEST(FileBuildId, IsThatOfTheRunningProgram) {
  EXPECT_EQ(file_build_id(io::local_files(), "/proc/self/exe"), build_identity().program);
}

TEST(FileBuildId, IsEmptyForOtherFiles) {
  EXPECT_EQ(file_build_id(io::local_files(), "/etc/passwd"), "");
}

}  // namespace
}  // namespace ripieno::tools::runs
