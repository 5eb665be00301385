#include "ripieno/training/models/model_kinds.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "ripieno/core/error.h"
#include "ripieno/training/models/gpt_settings.h"
#include "ripieno/training/models/image_model_settings.h"
#include "ripieno/training/models/llama_settings.h"
#include "ripieno/training/models/mlp_settings.h"

namespace ripieno {
namespace {

using testing::ElementsAre;

constexpr DataShape kData{.vocabulary = 11, .features = 16, .classes = 3};

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
    std::vector<std::string> changes = {"model.channels=16"};
    if (!model->reads_tokens())
      changes = {"model.hidden=[5, 4]", "model.channels=[2, 3]", "model.width=8"};
    for (const std::string& change : changes) settings.set(change);
    restored.restore(settings.values());
    EXPECT_EQ(shapes_of(*model->build(kData)), shapes_of(*again->build(kData)));
  }
}

TEST(ModelKinds, RejectAnUnknownName) {
  try {
    settings_of_model("lstm");
    FAIL();
  } catch (const ConfigurationError& error) {
    EXPECT_STREQ(error.what(),
                 "model.kind must be one of gpt, lenet, llama, mlp, resnet18, resnet20, resnet50, "
                 "got \"lstm\"");
  }
}

TEST(GptSettings, UseTheVocabularyOfTheDataOrALargerOne) {
  GptSettings gpt;
  EXPECT_EQ(gpt.options_for(11).vocab, 11);
  gpt.options.vocab = 16;
  EXPECT_EQ(gpt.options_for(11).vocab, 16);
  EXPECT_THROW(gpt.options_for(17), ConfigurationError);
}

TEST(ImageModelSettings, TakeTheShapeOfImagesOrThatOfSquares) {
  ImageModelSettings lenet("lenet");
  const DataShape known = data_shape_of(Tensor({5, 2, 6, 8}), 3);
  EXPECT_EQ(lenet.lenet_options(known).inputs, 2);
  EXPECT_EQ(lenet.lenet_options(known).height, 6);
  EXPECT_EQ(lenet.lenet_options(known).width, 8);
  const auto three_channels = lenet.lenet_options({.features = 3 * 7 * 7, .classes = 3});
  EXPECT_EQ(three_channels.inputs, 3);
  EXPECT_EQ(three_channels.width, 7);
  EXPECT_THROW(lenet.lenet_options({.features = 50, .classes = 3}), ConfigurationError);
  EXPECT_EQ(
      to_string(lenet.inputs_of(Tensor({4, 6, 8}), data_shape_of(Tensor({4, 6, 8}), 3)).shape()),
      "(4, 1, 6, 8)");
}

TEST(ImageModelSettings, NameTheParametersOfAResNetAsTorchvision) {
  const auto model = ImageModelSettings("resnet50").build({.features = 3 * 16 * 16, .classes = 10});
  const Parameters parameters = model->parameters();
  std::vector<std::string> names;
  for (const auto& [name, tensor] : parameters) names.push_back(name);
  EXPECT_THAT(names, testing::IsSupersetOf({"conv1.weight", "bn1.bias", "layer1.0.conv3.weight",
                                            "layer1.0.downsample.0.weight", "layer4.2.bn3.weight",
                                            "fc.bias"}));
  // 25,557,032 of torchvision's, with 10 classes instead of 1,000.
  EXPECT_EQ(parameters.elements(), 25'557'032 - 990 * 2049);
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
