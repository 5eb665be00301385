#include "ripieno/training/weights.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <thread>

#include "io/files/temporary_directory.h"
#include "ripieno/core/error.h"
#include "ripieno/core/nn/linear.h"
#include "ripieno/io/files/file_system.h"
#include "ripieno/io/formats/safetensors.h"

namespace ripieno {
namespace {

using io::TemporaryDirectory;
using testing::AllOf;
using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;
using testing::ThrowsMessage;

struct Small : nn::Module {
  nn::Linear layer{2, 1};
  Tensor mean = add_buffer("mean", {2});
  Small() { add("layer", layer); }
  std::vector<float> weight() { return parameters()["layer.weight"].to_vector<float>(); }
};

class Weights : public testing::Test {
 protected:
  // Writes a file as Python's safetensors package does: the length of the header, the header with
  // metadata and padding, the bytes.
  template <typename T>
  void write(const std::string& header, const std::vector<T>& numbers) {
    std::string text(8, '\0');
    const uint64_t length = header.size();
    std::memcpy(text.data(), &length, sizeof length);
    text += header;
    text.append(reinterpret_cast<const char*>(numbers.data()), numbers.size() * sizeof(T));
    std::ofstream(path_, std::ios::binary) << text;
  }

  TemporaryDirectory directory_;
  std::string path_ = directory_ / "model.safetensors";
};

TEST_F(Weights, LoadAsTheyWereSaved) {
  Small saved, loaded;
  saved.parameters()["layer.weight"].detach().fill(0.5);
  saved.mean.fill(3.0);
  save_weights(saved, path_);
  EXPECT_TRUE(load_weights(loaded, path_).matches());
  EXPECT_EQ(loaded.weight(), saved.weight());
  EXPECT_THAT(loaded.mean.to_vector<float>(), Each(3.0f));
}

TEST_F(Weights, HaveTheNamesAndTheTypeOfTheModel) {
  Small model;
  model.to(Device::cpu(), DType::bfloat16);
  save_weights(model, path_);
  const io::SafetensorsReader file(io::local_files(), path_);
  const auto& tensors = file.header().tensors;
  ASSERT_THAT(tensors, SizeIs(3));
  EXPECT_EQ(tensors[0].name, "layer.weight");
  EXPECT_EQ(tensors[0].dtype, DType::bfloat16);
  EXPECT_EQ(tensors[0].shape, (Shape{1, 2}));
  EXPECT_EQ(tensors[2].name, "mean");
  EXPECT_EQ(tensors[2].dtype, DType::float32);
  EXPECT_EQ(file.header().metadata.at("format"), "pt");
}

TEST_F(Weights, OfAnotherProgramLoadWithOtherNamesOrderAndType) {
  write<uint16_t>(
      R"({"__metadata__":{"format":"pt"},"m.running":{"dtype":"F16","shape":[2],"data_offsets":[6,10]},)"
      R"("m.fc.weight":{"dtype":"F16","shape":[1,2],"data_offsets":[2,6]},)"
      R"("m.fc.bias":{"dtype":"F16","shape":[1],"data_offsets":[0,2]}}      )",
      {0x3c00, 0x4000, 0xc000, 0x3800, 0x3400});  // 1, 2, -2, 0.5, 0.25
  Small model;
  const auto report = load_weights(
      model, path_, {.prefix = "m.", .rename = {{"fc.", "layer."}, {"running", "mean"}}});
  EXPECT_TRUE(report.matches());
  EXPECT_THAT(model.weight(), ElementsAre(2.0f, -2.0f));
  EXPECT_THAT(model.parameters()["layer.bias"].to_vector<float>(), ElementsAre(1.0f));
  EXPECT_THAT(model.mean.to_vector<float>(), ElementsAre(0.5f, 0.25f));
}

TEST_F(Weights, ThatDoNotMatchChangeNothingAndAreListed) {
  write<float>(R"({"fc.weight":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]},)"
               R"("layer.bias":{"dtype":"F32","shape":[1],"data_offsets":[8,12]}})",
               {1, 2, 3});
  Small model;
  const auto before = model.parameters()["layer.bias"].to_vector<float>();
  EXPECT_THAT([&] { load_weights(model, path_); },
              ThrowsMessage<ConfigurationError>(AllOf(HasSubstr("parameter layer.weight (1, 2)"),
                                                      HasSubstr("parameter fc.weight (1, 2)"),
                                                      HasSubstr("{.rename = …}"))));
  EXPECT_EQ(model.parameters()["layer.bias"].to_vector<float>(), before);
  const auto report = load_weights(model, path_, {.strict = false});
  EXPECT_THAT(report.missing, SizeIs(2));
  EXPECT_THAT(model.parameters()["layer.bias"].to_vector<float>(), ElementsAre(3.0f));
}

TEST_F(Weights, OfATruncatedFileAreRefused) {
  Small model;
  save_weights(model, path_);
  std::filesystem::resize_file(path_, std::filesystem::file_size(path_) - 1);
  EXPECT_THROW(load_weights(model, path_), DataError);
}

TEST_F(Weights, SavedByAllRanksAtOnceAreWhole) {
  {
    std::vector<std::jthread> ranks;
    for (int rank = 0; rank < 4; ++rank) {
      ranks.emplace_back([&] {
        Small model;
        model.parameters()["layer.weight"].detach().fill(0.5);
        save_weights(model, path_);
      });
    }
  }
  Small loaded;
  load_weights(loaded, path_);
  EXPECT_THAT(loaded.weight(), Each(0.5f));
  EXPECT_THAT(io::local_files().names_in(directory_.path()), ElementsAre("model.safetensors"));
}

}  // namespace
}  // namespace ripieno
