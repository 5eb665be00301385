#include "ripieno/tools/explain/report.h"

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "tools/explain/recorded_run.h"

namespace ripieno::tools::explain {
namespace {

using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

RecordedRun killed() {
  RecordedRun run(4);
  run.write_file("run.json", R"({"starts": [{"configuration": {"schedule": {"steps": 2000}}}]})");
  run.write(0, 3, {.silent = 3, .ended = 2.5, .acts = [](auto& writer) {
                     take_steps(writer, 1204, {0.01, 0.1, 0.2, 0.05, 0.01});
                     writer.begin({.name = "communication"});
                     writer.begin(all_reduce(9, 4));
                     writer.name_bucket(4, "blocks.7.up.weight to blocks.7.down.bias");
                     writer.end_process(io::FlightEnd::Kind::signal, 143, 15, "TERM");
                   }});
  run.write({.rank = 3,
             .host = "b",
             .silent = 4,
             .heartbeat = {.oom_kills = 1, .oom_kills_at_start = 0},
             .acts = [](auto& writer) {
               take_steps(writer, 1204, {0.01, 0.1, 0.2, 0.05, 0.01});
               writer.begin({.name = "forward"});
             }});
  return run;
}

TEST(Report, FitsATerminalAndEndsWithTheFirstCause) {
  const RecordedRun recorded = killed();
  RunFacts run = recorded.read();
  run.directory = "runs/gpt";
  const std::string text = to_text(run, diagnose(run));
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 80u) << line;
  EXPECT_THAT(text, StartsWith("runs/gpt ended at step 1,204 of 2,000; 4 ranks on 2 hosts\n"));
  EXPECT_LT(text.find("R-END-02"), text.find("Cause:\n  R-MEM-01: rank 3"));
  EXPECT_LT(text.find("  3: step > forward\n"), text.find("  0-2: step > communication"));
  EXPECT_THAT(text, HasSubstr("54 % backward"));
  EXPECT_THAT(text.substr(text.rfind("To do:")), HasSubstr("use less memory per rank"));
}

TEST(Report, JsonHasTheFirstCauseFirst) {
  const RunFacts run = killed().read();
  const auto json = to_json(run, diagnose(run));
  const auto& first = json["findings"][0];
  EXPECT_EQ(first["code"], "R-MEM-01");
  EXPECT_EQ(first["role"], "root");
  EXPECT_EQ(first["rank"], 3);
  EXPECT_EQ(first["host"], "b");
  EXPECT_EQ(first["phase"], "forward");
  EXPECT_THAT(first["text"].get<std::string>(), HasSubstr("signal 9"));
  EXPECT_THAT(first["remedy"].get<std::string>(), HasSubstr("less memory"));
  EXPECT_EQ(json["findings"][1]["role"], "teardown");
  EXPECT_EQ(json["findings"][1]["ranks"], (nlohmann::json{0, 1, 2}));
  EXPECT_EQ(json["state"], "failed");
  EXPECT_EQ(json["step"], 1204);
}

TEST(Report, SaysThatNothingIsWrongWithAFinishedRun) {
  RecordedRun recorded(2);
  recorded.write(0, 2, {.silent = 900, .ended = 900, .activity = "end", .acts = [](auto& writer) {
                          take_steps(writer, 500, {0.001, 0.1, 0.2, 0.01, 0.01});
                          writer.end_process(io::FlightEnd::Kind::returned, 0, 0, "");
                        }});
  const RunFacts run = recorded.read();
  const std::string text = to_text(run, diagnose(run));
  EXPECT_THAT(text, AllOf(HasSubstr("has finished, with step 500"), HasSubstr("62 % backward"),
                          EndsWith("\nNothing is wrong.\n")));
}

TEST(Report, HasTheAlertsOfTheRun) {
  RecordedRun recorded(1);
  recorded.write_file("metrics.jsonl",
                      "{\"step\":1,\"loss\":9,\"alerts\":[\"loss > 8\"]}\n{\"step\":2,\"loss\":7}\n"
                      "{\"step\":3,\"loss\":9,\"alerts\":[\"loss > 8\",\"own.kl > 1\"]}\n");
  const RunFacts run = recorded.read();
  EXPECT_THAT(to_text(run, {}),
              HasSubstr("Alerts: loss > 8 (2 times, first at step 1, last at step 3); own.kl > 1 "
                        "(step 3)\n"));
  EXPECT_EQ(
      to_json(run, {})["alerts"][0],
      nlohmann::json({{"rule", "loss > 8"}, {"count", 2}, {"first_step", 1}, {"last_step", 3}}));
}

TEST(Report, SaysThatARunWasSavedOnRequest) {
  RecordedRun recorded(1);
  recorded.write(
      {.acts = [](auto& writer) { writer.end_process(io::FlightEnd::Kind::returned, 75, 0, ""); }});
  const RunFacts run = recorded.read();
  EXPECT_EQ(run.state, State::saved);
  EXPECT_THAT(to_text(run, diagnose(run)), HasSubstr("was stopped on request and saved"));
}

TEST(Diagnoses, HaveAPageEachThatOpensWithItsTitle) {
  std::set<std::string_view> seen;
  for (const auto& diagnosis : all_diagnoses()) {
    EXPECT_TRUE(seen.insert(diagnosis.code).second) << diagnosis.code;
    EXPECT_THAT(std::string(diagnosis.code), testing::MatchesRegex("R-[A-Z]+-[0-9][0-9]"));
    std::ifstream page(std::string(DIAGNOSES_FOLDER "/") + std::string(diagnosis.code) + ".md");
    std::string title;
    std::getline(page, title);
    EXPECT_EQ(title, "# " + std::string(diagnosis.code) + ": " + std::string(diagnosis.title));
  }
  std::size_t pages = 0;
  for (const auto& entry : std::filesystem::directory_iterator(DIAGNOSES_FOLDER))
    pages += entry.path().filename().string().starts_with("R-");
  EXPECT_EQ(pages, seen.size());
}

}  // namespace
}  // namespace ripieno::tools::explain
