#include "ripieno/training/settings/command_line.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "ripieno/training/session/exit_status.h"
#include "ripieno/training/settings/help_text.h"

namespace ripieno {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

CommandLine parse(std::vector<const char*> words) {
  int64_t batch_size = 12;
  Settings settings;
  settings.add("train.batch_size", &batch_size, "samples in a step");
  words.insert(words.begin(), "bin/train_it");
  return parse_command_line(static_cast<int>(words.size()), words.data(), "Trains it.", settings);
}

TEST(CommandLine, ParsesEveryOption) {
  const auto command = parse({"--config", "c.toml", "--set", "a.b=1", "--set=c.d=-2", "--run-dir",
                              "r", "--steps", "5", "--resume", "never", "--device", "cpu",
                              "--threads", "2", "--seed", "7", "--quiet"});
  EXPECT_EQ(command.configuration, "c.toml");
  EXPECT_THAT(command.assignments, ElementsAre("a.b=1", "c.d=-2"));
  EXPECT_EQ(command.run_directory, "r");
  EXPECT_EQ(command.steps, 5);
  EXPECT_EQ(command.resume, "never");
  EXPECT_EQ(command.device, "cpu");
  EXPECT_EQ(command.threads, 2);
  EXPECT_EQ(command.seed, 7);
  EXPECT_TRUE(command.quiet);
}

TEST(CommandLine, DefaultsTheRunDirectoryToTheNameOfTheConfiguration) {
  EXPECT_EQ(parse({"--config", "some/where/gpt_char.toml"}).run_directory, "runs/gpt_char");
}

TEST(CommandLine, HelpListsOptionsAndKeysInLinesThatFitTheTerminal) {
  const auto command = parse({"--help"});
  EXPECT_THAT(command.help, HasSubstr("--run-dir"));
  EXPECT_THAT(command.help, HasSubstr("train.batch_size = 12"));
  EXPECT_THAT(command.help, HasSubstr("\nEnvironment variables:\n"));
  EXPECT_THAT(command.help, HasSubstr("  RIPIENO_USE_CUDNN=0|1\n"));
  const auto columns = static_cast<std::size_t>(help_columns());
  std::istringstream lines(command.help);
  for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), columns) << line;
}

TEST(CommandLine, VersionNeedsNoConfiguration) {
  EXPECT_THAT(parse({"--version"}).help, HasSubstr("train_it "));
  EXPECT_THAT(parse({"--version"}).help, HasSubstr("\nbuild type: "));
}

TEST(CommandLine, RejectsUnknownOptionsBadValuesAndAMissingConfiguration) {
  EXPECT_THROW(parse({"--config", "c.toml", "--stesp", "5"}), UsageError);
  EXPECT_THROW(parse({"--config", "c.toml", "--steps", "many"}), UsageError);
  EXPECT_THROW(parse({"--config", "c.toml", "--steps", "0"}), UsageError);
  EXPECT_THROW(parse({"--config", "c.toml", "--steps", "9223372036854775807"}), UsageError);
  EXPECT_THROW(parse({"--config", "c.toml", "--threads", "4294967297"}), UsageError);
  EXPECT_THROW(parse({"--config", "c.toml", "--device", "tpu"}), UsageError);
  EXPECT_THROW(parse({"--config", "c.toml", "stray"}), UsageError);
  EXPECT_THROW(parse({"--quiet"}), UsageError);
}

std::string message_of(const std::vector<const char*>& arguments) {
  try {
    parse(arguments);
  } catch (const UsageError& error) {
    return error.what();
  }
  return "none";
}

TEST(CommandLine, NamesTheOptionThatWasLikelyMeant) {
  EXPECT_EQ(message_of({"--config", "c.toml", "--stesp", "5"}),
            "--stesp: no such option (did you mean --steps?); see train_it --help");
  EXPECT_EQ(message_of({"--confg", "c.toml"}),
            "--confg: no such option (did you mean --config?); see train_it --help");
  EXPECT_EQ(message_of({"--config", "c.toml", "--nonsense=7"}),
            "--nonsense: no such option; see train_it --help");
  EXPECT_EQ(message_of({"--config", "c.toml", "stray"}),
            "stray: unexpected argument; see train_it --help");
}

}  // namespace
}  // namespace ripieno
