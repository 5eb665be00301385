#include <gmock/gmock.h>

#include <map>
#include <memory>

#include "io/files/temporary_directory.h"
#include "ripieno/core/error.h"
#include "ripieno/io/formats/safetensors.h"
#include "ripieno/tools/sources/renamed_source.h"
#include "ripieno/tools/sources/tensor_source.h"
#include "ripieno/training/session/exit_status.h"
#include "tools/sources/memory_source.h"

namespace ripieno::tools {
namespace {

using io::local_files;
using io::TemporaryDirectory;
using testing::HasSubstr;
using testing::ThrowsMessage;

TEST(RenamedSource, SelectsAndRenamesAsLoadingDoes) {
  auto source = std::make_unique<MemorySource>(TensorSource::Format::safetensors);
  source->add("head.weight", {2});
  source->add("model.layers.0.weight", {3});
  const auto renamed =
      renamed_source(std::move(source), {.prefix = "model.", .rename = {{"layers.", "blocks."}}});
  ASSERT_EQ(renamed->tensors.size(), 1u);
  EXPECT_EQ(renamed->tensors[0].name, "blocks.0.weight");
  EXPECT_EQ(renamed->read(0).shape(), (Shape{3}));
}

TEST(RenamedSource, RejectsDuplicateNamesAndNoMatch) {
  const auto with = [](const io::LoadOptions& options) {
    auto source = std::make_unique<MemorySource>(TensorSource::Format::safetensors);
    source->add("a.weight", {2});
    source->add("b.weight", {2});
    return renamed_source(std::move(source), options);
  };
  EXPECT_THAT(
      [&] {
        with({.rename = {{"a.", "b."}}});
      },
      ThrowsMessage<ConfigurationError>(HasSubstr("would both be named b.weight")));
  EXPECT_THAT([&] { with({.prefix = "c."}); },
              ThrowsMessage<ConfigurationError>(HasSubstr("no tensor name begins with \"c.\"")));
}

// Writes a safetensors file with one tensor.
void write_one(const std::string& path, const std::string& name, const Shape& shape,
               const std::map<std::string, std::string>& metadata) {
  io::SafetensorsHeader header{{{name, DType::uint8, shape}}, metadata};
  io::SafetensorsWriter writer(local_files(), path, header);
  const std::vector<std::byte> bytes(static_cast<std::size_t>(shape.elements()));
  writer.append(bytes);
  writer.finish();
}

TEST(SafetensorsSource, HasTheAliasesThatItsMetadataLists) {
  const TemporaryDirectory directory;
  write_one(directory / "a.safetensors", "lm_head.weight", {3},
            {{"transformer.wte.weight", "lm_head.weight"}, {"format", "pt"}});
  const auto source = open_source(local_files(), directory / "a.safetensors");
  ASSERT_EQ(source->tensors.size(), 2u);
  EXPECT_EQ(source->tensors[1].name, "transformer.wte.weight");
  EXPECT_EQ(source->tensors[1].same_as, 0u);
  EXPECT_EQ(source->read(1).shape(), (Shape{3}));
}

TEST(SafetensorsSource, RejectsImpossibleShapesAndMetadata) {
  const TemporaryDirectory directory;
  const std::string path = directory / "a.safetensors";
  const auto open = [&] { open_source(local_files(), path); };
  write_one(path, "a", {0, INT64_C(1) << 62}, {});
  EXPECT_THAT(open, ThrowsMessage<DataError>(HasSubstr("larger than any memory")));
  const auto metadata = [](const char* step) {
    return std::string(R"({"names": "ours", "kinds": {}, "training_state": {}, "step": )") + step +
           "}";
  };
  for (const char* step : {"-5", "1e3", "18446744073709551615"}) {
    write_one(path, "a", {1}, {{kOurMetadata, metadata(step)}});
    EXPECT_THAT(open, ThrowsMessage<DataError>(HasSubstr("is not a size"))) << step;
  }
}

TEST(OpenSource, ListsWhatItAccepts) {
  const TemporaryDirectory directory;
  EXPECT_THAT([&] { open_source(local_files(), directory / "nothing"); },
              ThrowsMessage<UsageError>(HasSubstr("no such file or directory")));
  EXPECT_THAT([&] { open_source(local_files(), directory.path()); },
              ThrowsMessage<UsageError>(HasSubstr("neither a checkpoint")));
}

}  // namespace
}  // namespace ripieno::tools
