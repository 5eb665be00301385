#include "ripieno/tools/convert/conversion.h"

#include <gmock/gmock.h>

#include <cmath>
#include <filesystem>

#include "io/files/crashing_file_system.h"
#include "io/files/temporary_directory.h"
#include "ripieno/core/error.h"
#include "ripieno/tools/convert/hugging_face.h"
#include "ripieno/training/session/exit_status.h"
#include "tools/sources/memory_source.h"

namespace ripieno::tools {
namespace {

using io::local_files;
using io::TemporaryDirectory;
using testing::HasSubstr;
using testing::ThrowsMessage;

constexpr int64_t kUnlimited = INT64_MAX;

void ignore(int64_t) {}

MemorySource of_two_kinds() {
  MemorySource source(TensorSource::Format::checkpoint);
  source.add("a.weight", {3, 5});
  source.add("a.bias", {31});
  source.add("first_moment/a.weight", {3, 5}, io::StateKind::optimizer);
  source.training_state = {{"step", 7}, {"note", "é"}};
  source.step = 7;
  return source;
}

Conversion as_named(const MemorySource& source, TargetFormat to, bool all = false) {
  return plan_conversion(source, {.to = to, .names = Names::ours, .all = all});
}

void expect_same_bits(const TensorSource& a, const TensorSource& b) {
  ASSERT_EQ(a.tensors.size(), b.tensors.size());
  for (std::size_t i = 0; i < a.tensors.size(); ++i) {
    EXPECT_EQ(a.tensors[i].name, b.tensors[i].name);
    EXPECT_EQ(a.tensors[i].kind, b.tensors[i].kind);
    EXPECT_EQ(a.read(i).to_vector<float>(), b.read(i).to_vector<float>());
  }
}

TEST(Conversion, OfAllTensorsToSafetensorsAndBackIsLossless) {
  const TemporaryDirectory directory;
  const MemorySource source = of_two_kinds();
  write_safetensors(local_files(), directory / "x.safetensors",
                    as_named(source, TargetFormat::safetensors, true), kUnlimited, false, ignore);
  const auto written = open_source(local_files(), directory / "x.safetensors");
  expect_same_bits(source, *written);
  EXPECT_EQ(written->training_state, source.training_state);

  const Conversion back = plan_conversion(*written, {.to = TargetFormat::checkpoint});
  const std::string path = write_checkpoint(local_files(), directory / "run", back, false, ignore);
  EXPECT_EQ(path, directory / "run/checkpoints/step_00000007");
  const auto checkpoint = open_source(local_files(), directory / "run");
  expect_same_bits(source, *checkpoint);
  EXPECT_EQ(checkpoint->training_state, source.training_state);
}

TEST(Conversion, WritesAveragesInPlaceOfTheParameters) {
  MemorySource source(TensorSource::Format::checkpoint);
  source.add("a.weight", {3, 5});
  source.add("average/a.weight", {3, 5}, io::StateKind::optimizer);
  const Conversion conversion = plan_conversion(
      source, {.to = TargetFormat::safetensors, .names = Names::ours, .averages = true});
  ASSERT_EQ(conversion.targets.size(), 1u);
  EXPECT_EQ(conversion.targets[0].name, "a.weight");
  EXPECT_EQ(converted(conversion, conversion.targets[0]).to_vector<float>(),
            source.read(1).to_vector<float>());
  EXPECT_THAT(
      [] {
        const MemorySource without = of_two_kinds();
        plan_conversion(without, {.names = Names::ours, .averages = true});
      },
      ThrowsMessage<ConfigurationError>(HasSubstr("it has no average/a.weight")));
}

TEST(Conversion, WritesOnlyParametersWithoutAll) {
  const MemorySource source = of_two_kinds();
  EXPECT_EQ(as_named(source, TargetFormat::safetensors).targets.size(), 2u);
  EXPECT_EQ(as_named(source, TargetFormat::safetensors, true).targets.size(), 3u);
  EXPECT_EQ(as_named(source, TargetFormat::checkpoint).targets.size(), 3u);
}

TEST(Conversion, RejectsTwoTensorsOfOneName) {
  MemorySource source = of_two_kinds();
  source.add("a.bias", {3}, io::StateKind::buffer);
  EXPECT_EQ(as_named(source, TargetFormat::safetensors).targets.size(), 2u);
  EXPECT_THAT([&] { as_named(source, TargetFormat::safetensors, true); },
              ThrowsMessage<ConfigurationError>(HasSubstr("two kinds are named a.bias")));
}

TEST(Conversion, RoundsOnlyParameters) {
  MemorySource source = of_two_kinds();
  source.set("a.bias", Tensor::full({31}, 1.0 + 0x1p-8 + 0x1p-20));  // just above the middle
  const Conversion conversion = plan_conversion(
      source, {.to = TargetFormat::checkpoint, .names = Names::ours, .dtype = DType::bfloat16});
  EXPECT_EQ(conversion.targets[1].dtype, DType::bfloat16);
  EXPECT_EQ(conversion.targets[2].dtype, DType::float32);
  EXPECT_EQ(converted(conversion, conversion.targets[1]).to(DType::float32).to_vector<float>()[30],
            1.0f + 0x1p-7f);
}

TEST(Conversion, SplitsSafetensorsThatExceedTheShardSize) {
  const TemporaryDirectory directory;
  const MemorySource source = of_two_kinds();
  write_safetensors(local_files(), directory / "x",
                    as_named(source, TargetFormat::safetensors, true), 150, false, ignore);
  EXPECT_THAT(
      local_files().names_in(directory / "x"),
      testing::ElementsAre("model-00001-of-00003.safetensors", "model-00002-of-00003.safetensors",
                           "model-00003-of-00003.safetensors", "model.safetensors.index.json"));
  expect_same_bits(source, *open_source(local_files(), directory / "x"));
}

TEST(Conversion, RejectsAnIndexThatContradictsItsFiles) {
  const TemporaryDirectory directory;
  const MemorySource source = of_two_kinds();
  write_safetensors(local_files(), directory / "x", as_named(source, TargetFormat::safetensors), 64,
                    false, ignore);
  const auto refuses = [&](const nlohmann::json& weight_map, const std::string& why) {
    io::write_file(local_files(), directory / "x/model.safetensors.index.json",
                   nlohmann::json{{"weight_map", weight_map}}.dump());
    EXPECT_THAT([&] { open_source(local_files(), directory / "x"); },
                ThrowsMessage<DataError>(HasSubstr(why)));
  };
  const std::string first = "model-00001-of-00002.safetensors",
                    second = "model-00002-of-00002.safetensors";
  refuses({{"a.weight", "../" + first}}, "not the name of a file in the same directory");
  refuses({{"a.weight", second}, {"a.bias", first}}, "but that file does not have it");
  refuses({{"a.weight", first}, {"a.bias", second}, {"b", second}},
          "but that file does not have it");
  refuses({{"a.weight", first}, {"a.bias", 3}}, "weight_map is missing");
  write_safetensors(local_files(), directory / "x/all.safetensors",
                    as_named(source, TargetFormat::safetensors), kUnlimited, false, ignore);
  refuses({{"a.weight", "all.safetensors"}}, "lists 1 tensors, but its files have 2");
  io::local_files().remove_all(directory / ("x/" + second));
  io::write_file(local_files(), directory / ("x/" + second),
                 io::read_file(local_files(), directory / ("x/" + first)));
  refuses({{"a.weight", first}, {"a.bias", second}}, "is in two files");
}

TEST(Conversion, WritesOneNumpyFilePerTensor) {
  const TemporaryDirectory directory;
  const MemorySource source = of_two_kinds();
  write_numpy(local_files(), directory / "x", as_named(source, TargetFormat::numpy, true), false,
              ignore);
  EXPECT_THAT(local_files().names_in(directory / "x"),
              testing::ElementsAre("a.bias.npy", "a.weight.npy", "first_moment%2Fa.weight.npy"));
  const std::string text = io::read_file(local_files(), directory / "x/a.bias.npy");
  EXPECT_EQ(text.substr(1, 5), "NUMPY");
  EXPECT_EQ((text.size() - 31 * sizeof(float)) % 64, 0u);
  EXPECT_THAT(text, HasSubstr("{'descr': '<f4', 'fortran_order': False, 'shape': (31,), }"));
}

TEST(Conversion, ReplacesNothingWithoutForce) {
  const TemporaryDirectory directory;
  const MemorySource source = of_two_kinds();
  const auto write_file = [&](bool force) {
    write_safetensors(local_files(), directory / "x", as_named(source, TargetFormat::safetensors),
                      kUnlimited, force, ignore);
  };
  const auto write_run = [&](bool force) {
    write_checkpoint(local_files(), directory / "run", as_named(source, TargetFormat::checkpoint),
                     force, ignore);
  };
  for (const std::function<void(bool)>& write :
       {std::function<void(bool)>(write_file), std::function<void(bool)>(write_run)}) {
    write(false);
    EXPECT_THROW(write(false), UsageError);
    write(true);
  }
  EXPECT_THAT(local_files().names_in(directory.path()), testing::ElementsAre("run", "x"));
  EXPECT_THAT(local_files().names_in(directory / "run/checkpoints"),
              testing::ElementsAre("step_00000007"));
}

TEST(Conversion, RejectsADirectoryWithOtherCheckpoints) {
  const TemporaryDirectory directory;
  const MemorySource source = of_two_kinds();
  local_files().make_directories(directory / "run/checkpoints/step_00000009.partial");
  EXPECT_THAT(
      [&] {
        write_checkpoint(local_files(), directory / "run",
                         as_named(source, TargetFormat::checkpoint), true, ignore);
      },
      ThrowsMessage<UsageError>(HasSubstr("contains other checkpoints")));
}

// Converts to out/x and cuts the power after `operations`. False if the conversion finished first.
bool is_cut_while_converting(io::CrashingFileSystem& files, int operations) {
  files.make_directories("out");
  files.sync_directory(".");
  files.cut_power_after(operations);
  bool is_cut = false;
  try {
    write_safetensors(files, "out/x", as_named(of_two_kinds(), TargetFormat::safetensors), 64,
                      false, ignore);
  } catch (const io::PowerCut&) {
    is_cut = true;
  }
  return is_cut;
}

TEST(Conversion, IsWholeOrAbsentAfterAPowerCutAtAnyOperation) {
  using Survives = io::CrashingFileSystem::Survives;
  bool is_cut = true;
  for (int operations = 0; is_cut; ++operations) {
    for (const auto survives : {Survives::what_was_synced, Survives::every_name, Survives::some}) {
      io::CrashingFileSystem files;
      is_cut = is_cut_while_converting(files, operations);
      files.restart(survives, static_cast<unsigned>(operations));
      if (!files.exists("out/x")) {
        EXPECT_TRUE(is_cut);
        continue;
      }
      const auto written = open_source(files, "out/x");
      ASSERT_EQ(written->tensors.size(), 2u);
      EXPECT_EQ(written->read(1).to_vector<float>(), of_two_kinds().read(1).to_vector<float>());
    }
  }
}

TEST(Conversion, RejectsInvalidCheckpointNames) {
  for (const std::string& name : {std::string("a\0b", 3), std::string("a//b"), std::string("")}) {
    MemorySource source(TensorSource::Format::safetensors);
    source.add(name, {1});
    EXPECT_THAT(
        [&] { plan_conversion(source, {.to = TargetFormat::checkpoint, .names = Names::ours}); },
        ThrowsMessage<DataError>(HasSubstr("is not a valid tensor name")));
  }
}

TEST(Conversion, CountsInfinitiesFromRounding) {
  MemorySource source(TensorSource::Format::checkpoint);
  source.add("a", {3});
  source.set("a", Tensor::of<float>({3}, {1, 1e10F, INFINITY}));
  const Conversion conversion = plan_conversion(
      source, {.to = TargetFormat::numpy, .names = Names::ours, .dtype = DType::float16});
  converted(conversion, conversion.targets[0]);
  EXPECT_EQ(conversion.not_finite->text(), "parameter a: 2 elements are NaN or infinite\n");
}

}  // namespace
}  // namespace ripieno::tools
