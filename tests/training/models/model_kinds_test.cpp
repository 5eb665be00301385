#include "ripieno/training/models/model_kinds.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "ripieno/core/error.h"
#include "ripieno/training/models/gpt_settings.h"
#include "ripieno/training/models/llama_settings.h"
#include "ripieno/training/models/mlp_settings.h"

namespace ripieno {
namespace {

using testing::ElementsAre;

constexpr DataShape kData{.vocabulary = 11, .features = 6, .classes = 3};

std::vector<std::pair<std::string, Shape>> shapes_of(nn::Module& model) {
  std::vector<std::pair<std::string, Shape>> shapes;
  for (const auto& [name, tensor] : model.parameters()) shapes.emplace_back(name, tensor.shape());
  return shapes;
}

TEST(ModelKinds, EachRecordsItsNameAndBuildsAModelFromItsDefaults) {
  ASSERT_FALSE(model_kinds().empty());
  for (const std::string& kind : model_kinds()) {
    SCOPED_TRACE(kind);
    Settings settings;
    const auto model = settings_of_model(kind);
    model->bind(settings);
    EXPECT_EQ(settings.values()["model"]["kind"], kind);
    EXPECT_GT(model->build(kData)->parameters().size(), 0u);
  }
}

TEST(ModelKinds, EachBuildsTheSameModelFromItsRecordedSettings) {
  for (const std::string& kind : model_kinds()) {
    SCOPED_TRACE(kind);
    Settings settings, restored;
    const auto model = settings_of_model(kind), again = settings_of_model(kind);
    model->bind(settings);
    again->bind(restored);
    settings.set(kind == "mlp" ? "model.hidden=[5, 4]" : "model.channels=16");
    restored.restore(settings.values());
    EXPECT_EQ(shapes_of(*model->build(kData)), shapes_of(*again->build(kData)));
  }
}

TEST(ModelKinds, RejectAnUnknownName) {
  try {
    settings_of_model("lstm");
    FAIL();
  } catch (const ConfigurationError& error) {
    EXPECT_STREQ(error.what(), "model.kind must be one of gpt, llama, mlp, got \"lstm\"");
  }
}

TEST(GptSettings, UseTheVocabularyOfTheDataOrALargerOne) {
  GptSettings gpt;
  EXPECT_EQ(gpt.options_for(11).vocab, 11);
  gpt.options.vocab = 16;
  EXPECT_EQ(gpt.options_for(11).vocab, 16);
  EXPECT_THROW(gpt.options_for(17), ConfigurationError);
}

TEST(ModelKinds, AreChosenByTheLastAssignmentOrElseTheConfiguration) {
  const auto kind_of = [](std::vector<std::string> words) {
    words.insert(words.begin(), "train_gpt");
    return kind_of_command(words, "gpt");
  };
  EXPECT_EQ(kind_of({"--steps", "3"}), "gpt");
  EXPECT_EQ(kind_of({"--set", "model.kind=llama"}), "llama");
  EXPECT_EQ(kind_of({"--set=model.kind=\"llama\"", "--set", "model.layers=1"}), "llama");
  EXPECT_EQ(kind_of({"--set", "model.kind=llama", "--set", "model.kind=gpt"}), "gpt");
}

TEST(LlamaSettings, FillInWhatFollowsFromOtherSizes) {
  LlamaSettings llama;
  llama.options.key_value_heads = 0;
  const nn::LlamaOptions options = llama.options_for(11);
  EXPECT_EQ(options.vocab, 11);
  EXPECT_EQ(options.key_value_heads, 4);
  EXPECT_EQ(options.hidden, 352);
}

TEST(MlpSettings, PutTheHiddenLayersBetweenTheDataAndTheClasses) {
  MlpSettings mlp;
  mlp.hidden = {5, 4};
  EXPECT_THAT(mlp.sizes_for(6, 3), ElementsAre(6, 5, 4, 3));
}

}  // namespace
}  // namespace ripieno
