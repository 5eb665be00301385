#include "ripieno/tools/inspection.h"

#include <gmock/gmock.h>

#include <cmath>

#include "io/checkpoint/sample_state.h"
#include "io/files/crashing_file_system.h"
#include "io/files/temporary_directory.h"
#include "ripieno/tools/table.h"
#include "tools/sources/memory_source.h"

namespace ripieno::tools {
namespace {

using io::local_files;
using io::TemporaryDirectory;
using testing::HasSubstr;
using testing::Not;

TEST(Inspection, DoesNotReadTensorData) {
  const TemporaryDirectory directory;
  io::save_on_ranks(local_files(), directory.path(), 7, 2, io::sample_state(1), "once");
  const std::string path = directory / "step_00000007";
  local_files().remove_all(path + "/shard_00000_of_00002.h5");
  const std::string text = to_text(*open_source(local_files(), path), false);
  EXPECT_THAT(text, HasSubstr("7, saved by 2 ranks, committed by rename"));
  EXPECT_THAT(text, HasSubstr("parameters: 5 tensors, 236 elements, 684 B, 424 B float32 + "
                              "198 B bfloat16 + 62 B float16"));
}

TEST(Inspection, ShowsEqualBlocksOnOneLine) {
  const MemorySource gpt2 = tiny_gpt2();
  EXPECT_THAT(to_text(gpt2, false), HasSubstr("  transformer.h.{0-1}.mlp.c_fc.weight     float32"));
  EXPECT_THAT(to_text(gpt2, true), HasSubstr("  transformer.h.1.mlp.c_fc.weight"));
}

TEST(Inspection, KeepsMatchingTensors) {
  MemorySource gpt2 = tiny_gpt2();
  keep_matching(gpt2, "transformer.h.1.*bias");
  EXPECT_EQ(gpt2.tensors.size(), 7u);
  EXPECT_THAT(to_text(gpt2, true), Not(HasSubstr("h.0")));
}

TEST(Inspection, JsonHasEveryTensorAndTheTotals) {
  const nlohmann::json json = to_json(tiny_llama());
  EXPECT_EQ(json["tensors"].size(), 12u);
  EXPECT_EQ(json["tensors"][3]["shape"], (nlohmann::json{4, 8}));
  EXPECT_EQ(json["totals"]["parameter"]["float32"]["elements"], 584);
  EXPECT_EQ(json["config"]["model_type"], "llama");
}

TEST(Inspection, ListsUnfinishedAndDamagedCheckpoints) {
  const TemporaryDirectory directory;
  io::save_on_ranks(local_files(), directory.path(), 7, 1, io::sample_state(1), "once");
  io::save_on_ranks(local_files(), directory.path(), 8, 1, io::sample_state(1), "twice");
  local_files().make_directories(directory / "step_00000009.partial");
  io::write_file(local_files(), directory / "step_00000008/manifest.json", "{}");
  const auto list = list_checkpoints(local_files(), directory.path());
  ASSERT_EQ(list.size(), 3u);
  EXPECT_THAT(list[0].state, HasSubstr("being written"));
  EXPECT_THAT(list[1].state, HasSubstr("manifest.json is damaged"));
  EXPECT_EQ(list[2].state, "whole");
  EXPECT_EQ(list[2].world_size, 1);
}

TEST(Inspection, ListsCheckpointsNextToAnUnexpectedFile) {
  const TemporaryDirectory directory;
  io::save_on_ranks(local_files(), directory.path(), 7, 1, io::sample_state(1), "once");
  io::write_file(local_files(), directory / "step_00000008", "a file of that name");
  const auto list = list_checkpoints(local_files(), directory.path());
  ASSERT_EQ(list.size(), 2u);
  EXPECT_THAT(list[0].state, HasSubstr("step_00000008"));
  EXPECT_EQ(list[1].state, "whole");
}

// The files of an active run, which removes checkpoints right after they have been listed.
class VanishingFiles final : public io::CrashingFileSystem {
 public:
  std::vector<std::string> names_in(const std::string& directory) const override {
    auto names = CrashingFileSystem::names_in(directory);
    if (directory != "run") return names;
    for (const char* gone : {"step_00000008", "step_00000009@a"}) names.emplace_back(gone);
    return names;
  }
};

TEST(Inspection, SkipsCheckpointsThatAreRemovedMeanwhile) {
  VanishingFiles files;
  io::save_on_ranks(files, "run", 7, 1, io::sample_state(1), "once");
  const auto list = list_checkpoints(files, "run");
  ASSERT_EQ(list.size(), 1u);
  EXPECT_EQ(list[0].step, 7);
}

TEST(Inspection, ReportsNaNAndInfiniteElements) {
  const TemporaryDirectory directory;
  const Tensor weight = Tensor::of<float>({3}, {1, NAN, INFINITY});
  io::save_checkpoint(local_files(), directory.path(), 7,
                      {io::state_of("w", io::StateKind::parameter, weight)}, {},
                      {.attempt = "once"});
  const auto source = open_source(local_files(), directory / "step_00000007");
  EXPECT_THAT(to_text(*source, false), HasSubstr("parameter w: 2 elements are NaN or infinite"));
  EXPECT_EQ(to_json(*source)["tensors"][0]["not_finite"], 2);
  EXPECT_EQ(list_checkpoints(local_files(), directory.path())[0].state,
            "whole, but 2 elements NaN or infinite");
}

TEST(Table, ReplacesControlCharacters) {
  Table table("lr");
  table.add({"a\x1b[2J\n", "1"});
  table.add({"é", "12"});
  EXPECT_EQ(table.text(1), " a?[2J?   1\n é       12\n");
}

TEST(Table, FormatsBytesWithThreeDigits) {
  EXPECT_EQ(readable_bytes(999), "999 B");
  EXPECT_EQ(readable_bytes(1000), "1.00 kB");
  EXPECT_EQ(readable_bytes(999'499), "999 kB");
  EXPECT_EQ(readable_bytes(999'500), "1.00 MB");
  EXPECT_EQ(readable_bytes(12'345'678'901), "12.3 GB");
}

}  // namespace
}  // namespace ripieno::tools
