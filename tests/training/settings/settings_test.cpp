#include "ripieno/training/settings/settings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <sstream>

#include "ripieno/core/error.h"
#include "ripieno/training/configuration.h"
#include "ripieno/training/settings/nearest_key.h"

namespace ripieno {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// Settings with a key of every type.
class SettingsTest : public testing::Test {
 protected:
  SettingsTest() {
    settings.add("train.batch_size", &batch_size, "samples in a step", Accepts::at_least(1));
    settings.add("train.nesterov", &nesterov, "");
    settings.add("optimizer.learning_rate", &rate, "", Accepts::positive());
    settings.add("optimizer.kind", &kind, "", Accepts::one_of({"adamw", "sgd"}));
    settings.add("data.path", &path, "");
    settings.add("model.hidden", &hidden, "", Accepts::at_least(1));
    settings.add("log.show", &shown, "");
  }
  ~SettingsTest() override { std::filesystem::remove(file); }

  void read(const std::string& toml) {
    std::ofstream(file) << toml;
    settings.read(file);
  }

  int64_t batch_size = 12;
  bool nesterov = false;
  double rate = 0.1;
  std::string kind = "adamw";
  std::string path;
  std::vector<int64_t> hidden = {64};
  std::vector<std::string> shown;
  Settings settings;
  std::string file =
      std::filesystem::temp_directory_path() / ("settings_" + std::to_string(getpid()) + ".toml");
};

std::string error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const ConfigurationError& error) {
    return error.what();
  }
  return "no error";
}

TEST_F(SettingsTest, ReadsEveryTypeFromAFile) {
  read(
      "[train]\nbatch_size = 3\nnesterov = true\n[optimizer]\nlearning_rate = 1e-3\n"
      "kind = 'sgd'\n[data]\npath = 'a b.txt'\n[model]\nhidden = [32, 16]\n"
      "[log]\nshow = ['kl', 'a b']\n");
  EXPECT_EQ(batch_size, 3);
  EXPECT_TRUE(nesterov);
  EXPECT_EQ(rate, 1e-3);
  EXPECT_EQ(kind, "sgd");
  EXPECT_EQ(path, "a b.txt");
  EXPECT_THAT(hidden, ElementsAre(32, 16));
  EXPECT_THAT(shown, ElementsAre("kl", "a b"));
}

TEST_F(SettingsTest, AcceptsAnIntegerForANumber) {
  settings.set("optimizer.learning_rate=1");
  EXPECT_EQ(rate, 1.0);
}

TEST_F(SettingsTest, KnowsWhereEachValueComesFrom) {
  read("[train]\nnesterov = true\nbatch_size = 3\n[data]\npath = \"a\"\n");
  settings.set("train.batch_size=4");
  settings.set("model.hidden=[5]", "--hidden");
  settings.restore({{"optimizer", {{"kind", "sgd"}}}});
  error_of([&] { settings.set("data.path=[1]"); });
  error_of([&] { settings.set("optimizer.learning_rate=no"); });
  const auto origins = settings.origins();
  EXPECT_EQ(origins["train"]["batch_size"], "--set");
  EXPECT_EQ(origins["train"]["nesterov"], file + ":2");
  EXPECT_EQ(origins["model"]["hidden"], "--hidden");
  EXPECT_EQ(origins["optimizer"]["kind"], "checkpoint");
  EXPECT_EQ(origins["optimizer"]["learning_rate"], "default");
}

TEST_F(SettingsTest, ReportsFileLineAndNearestKeyForAnUnknownKey) {
  EXPECT_EQ(error_of([&] { read("[train]\n\nbatch_sizes = 3\n"); }),
            file + ":3: unknown key train.batch_sizes; did you mean train.batch_size?");
}

TEST_F(SettingsTest, SuggestsTheKeyIfOnlyTheSectionIsWrong) {
  EXPECT_THAT(error_of([&] { settings.set("train.learning_rate=1"); }),
              HasSubstr("did you mean optimizer.learning_rate?"));
  EXPECT_THAT(error_of([&] { settings.set("batch_size=1"); }),
              HasSubstr("did you mean train.batch_size?"));
}

TEST_F(SettingsTest, SuggestsTheKeyForItsInitials) {
  EXPECT_THAT(error_of([&] { settings.set("optimizer.lr=1"); }),
              HasSubstr("did you mean optimizer.learning_rate?"));
  EXPECT_THAT(error_of([&] { settings.set("bs=1"); }), HasSubstr("did you mean train.batch_size?"));
}

TEST_F(SettingsTest, RejectsAKeyOutsideASection) {
  EXPECT_THAT(error_of([&] { read("batch_size = 3\n"); }),
              HasSubstr(":1: unknown key batch_size; did you mean train.batch_size?"));
}

TEST_F(SettingsTest, ReportsFileLineKeyTypeAndValueForAWrongType) {
  EXPECT_EQ(error_of([&] { read("[train]\nbatch_size = 'many'\n"); }),
            file + ":2: train.batch_size must be an integer of at least 1, got 'many'");
}

TEST_F(SettingsTest, RejectsValuesOutOfRange) {
  EXPECT_EQ(error_of([&] { settings.set("train.batch_size=0"); }),
            "--set train.batch_size=0: train.batch_size must be an integer of at least 1");
  EXPECT_THAT(error_of([&] { settings.set("optimizer.learning_rate=0"); }),
              HasSubstr("a number above 0"));
  EXPECT_THAT(error_of([&] { settings.set("optimizer.learning_rate=nan"); }),
              HasSubstr("a number above 0"));
  EXPECT_THAT(error_of([&] { settings.set("model.hidden=[4, 0]"); }),
              HasSubstr("a list of integers, each of at least 1"));
  EXPECT_THAT(error_of([&] { settings.set("optimizer.kind=adam"); }),
              HasSubstr("one of adamw, sgd"));
}

TEST_F(SettingsTest, OfTrainingRejectValuesBeyondTheLimitsOfTheArithmetic) {
  Settings all;
  TrainingOptions options;
  bind(all, options);
  const auto values = all.values();
  for (const auto& [section, keys] : values.items()) {
    for (const auto& [key, value] : keys.items()) {
      const bool is_any_seed = key == "seed";
      if (!value.is_number() || is_any_seed) continue;
      const std::string assignment = section + "." + key + "=";
      const char* too_much = value.is_number_integer() ? "9223372036854775807" : "1e39";
      EXPECT_NE(error_of([&] { all.set(assignment + too_much); }), "no error") << assignment;
    }
  }
  for (const char* one : {"checkpoint.keep=4294967297", "parallel.timeout_seconds=10000000000",
                          "optimizer.beta1=1", "optimizer.beta2=1.0", "optimizer.momentum=1",
                          "parallel.outer_momentum=1", "optimizer.learning_rate=1e39"})
    EXPECT_NE(error_of([&] { all.set(one); }), "no error") << one;
  EXPECT_EQ(error_of([&] { all.set("optimizer.beta1=0.999999"); }), "no error");
}

TEST_F(SettingsTest, KeepsTheOldValueIfTheNewOneIsRejected) {
  error_of([&] { settings.set("model.hidden=[4, 0]"); });
  EXPECT_THAT(hidden, ElementsAre(64));
}

TEST_F(SettingsTest, RejectsAFloatForAnInteger) {
  EXPECT_THAT(error_of([&] { settings.set("train.batch_size=3.0"); }), HasSubstr("an integer"));
}

TEST_F(SettingsTest, AcceptsStringsOnTheCommandLineWithAndWithoutQuotes) {
  settings.set("data.path=some text.txt");
  EXPECT_EQ(path, "some text.txt");
  settings.set("data.path=\"quoted\"");
  EXPECT_EQ(path, "quoted");
  settings.set("data.path=1984");
  EXPECT_EQ(path, "1984");
  settings.set("data.path=a=b");
  EXPECT_EQ(path, "a=b");
}

TEST_F(SettingsTest, RejectsAnAssignmentWithoutAValue) {
  EXPECT_THAT(error_of([&] { settings.set("train.batch_size"); }), HasSubstr("no '=' found"));
}

TEST_F(SettingsTest, AcceptsOneValuePerAssignment) {
  EXPECT_THAT(error_of([&] { settings.set("train.batch_size=3\nother=4"); }),
              HasSubstr("must be an integer"));
}

TEST_F(SettingsTest, ReportsAFileThatIsMissingOrADirectory) {
  EXPECT_EQ(error_of([&] { settings.read("/nowhere.toml"); }),
            "/nowhere.toml: cannot read the configuration: No such file or directory");
  EXPECT_EQ(error_of([&] { settings.read("/"); }),
            "/: cannot read the configuration: Is a directory");
}

TEST_F(SettingsTest, ReportsTheLineThatIsNotToml) {
  EXPECT_THAT(error_of([&] { read("[train]\nbatch_size ==\n"); }),
              HasSubstr(file + ":2: not valid TOML"));
}

TEST_F(SettingsTest, ReportsTheLineOfAnInvalidTableName) {
  for (const std::string name : {"=", "\x7f", "!", ""}) {
    EXPECT_THAT(error_of([&] { read("[train]\nbatch_size = 1\n[" + name + "]\nx = 1\n"); }),
                HasSubstr(file + ":3: not valid TOML"));
  }
}

TEST_F(SettingsTest, RejectsAKeyOfSoManyDotsThatTheStackWouldOverflow) {
  std::string key = "a";
  for (int i = 0; i < 500'000; ++i) key += ".a";
  EXPECT_THAT(error_of([&] { read("[train]\n" + key + " = 1\n"); }),
              HasSubstr(":2: not valid TOML"));
  EXPECT_THAT(error_of([&] { settings.set("train.nesterov={" + key + " = 1}"); }),
              HasSubstr("must be true or false"));
}

TEST_F(SettingsTest, AnEmptyFileChangesNothing) {
  read("");
  EXPECT_EQ(batch_size, 12);
}

TEST_F(SettingsTest, RestoresItsOwnValues) {
  settings.set("model.hidden=[7]");
  settings.set("optimizer.kind=sgd");
  settings.set("log.show=['kl']");
  const auto values = settings.values();
  hidden = {1};
  shown = {};
  kind = "adamw";
  settings.restore(values);
  EXPECT_THAT(hidden, ElementsAre(7));
  EXPECT_THAT(shown, ElementsAre("kl"));
  EXPECT_EQ(kind, "sgd");
}

TEST_F(SettingsTest, RejectsStoredValuesOfAnotherType) {
  EXPECT_THROW(settings.restore({{"train", {{"batch_size", "many"}}}}), DataError);
}

TEST_F(SettingsTest, ListsAllKeysBySectionWithDefaultHelpAndChoices) {
  const std::string listing = settings.listing();
  EXPECT_THAT(listing, HasSubstr("\n[train]\n  train.batch_size = 12\n      samples in a step\n"));
  EXPECT_THAT(listing, HasSubstr("one of adamw, sgd"));
}

TEST_F(SettingsTest, ListsAKeyThatIsAddedLaterInItsSection) {
  settings.add("train.threads", &batch_size, "");
  const std::string listing = settings.listing();
  EXPECT_LT(listing.find("train.threads"), listing.find("[optimizer]"));
}

TEST(Listing, OfTrainingFitsTheTerminal) {
  Settings all;
  TrainingOptions options;
  bind(all, options);
  std::istringstream lines(all.listing(72));
  for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 72u) << line;
}

enum class Fruit { apple, pear, quince };

TEST(Choice, SetsAVariableByTheNameOfItsValue) {
  Fruit fruit = Fruit::apple;
  Settings settings;
  settings.add("food.fruit", choice(&fruit, {{"apple", Fruit::apple}, {"pear", Fruit::pear}}), "");
  EXPECT_EQ(settings.values()["food"]["fruit"], "apple");
  settings.set("food.fruit=pear");
  EXPECT_EQ(fruit, Fruit::pear);
  EXPECT_EQ(error_of([&] { settings.set("food.fruit=fig"); }),
            "--set food.fruit=fig: food.fruit must be one of apple, pear");
  settings.restore({{"food", {{"fruit", "apple"}}}});
  EXPECT_EQ(fruit, Fruit::apple);
  EXPECT_THROW(settings.restore({{"food", {{"fruit", "fig"}}}}), DataError);
}

TEST(Choice, RejectsAValueWithoutAName) {
  Fruit fruit = Fruit::quince;
  Settings settings;
  EXPECT_THROW(settings.add("food.fruit", choice(&fruit, {{"apple", Fruit::apple}}), ""), Error);
}

TEST_F(SettingsTest, RestoresNoNumberThatWouldBeRounded) {
  for (const nlohmann::json& value : {nlohmann::json(3.5), nlohmann::json(uint64_t{1} << 63)}) {
    EXPECT_THROW(settings.restore({{"train", {{"batch_size", value}}}}), DataError) << value;
  }
  EXPECT_EQ(batch_size, 12);
}

TEST(EditDistance, CountsInsertionsDeletionsAndReplacements) {
  EXPECT_EQ(edit_distance("", "abc"), 3u);
  EXPECT_EQ(edit_distance("abc", "abc"), 0u);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3u);
}

}  // namespace
}  // namespace ripieno
