#include "ripieno/tools/prepare/work_folder.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "io/files/temporary_directory.h"
#include "ripieno/core/error.h"

namespace ripieno::tools {
namespace {

class WorkFolderTest : public testing::Test {
 protected:
  std::filesystem::path file(const std::string& name) const { return path_ + "/" + name; }

  // A folder with chunk 3, as a preparation that was killed leaves it.
  void make_chunk() { WorkFolder(path_, manifest_).save(3, chunk_); }

  io::TemporaryDirectory directory_;
  const std::string path_ = directory_ / "x.work";
  const nlohmann::json manifest_ = {{"inputs", {"a"}}, {"tokenizer", "t"}};
  const EncodedChunk chunk_{{std::byte{1}, std::byte{2}}, {std::byte{3}, std::byte{4}}, 5};
};

TEST_F(WorkFolderTest, KeepsFinishedChunks) {
  make_chunk();
  const WorkFolder work(path_, manifest_);
  EXPECT_EQ(work.changes(), "");
  EXPECT_FALSE(work.find(2));
  const EncodedChunk found = work.load(3);
  EXPECT_EQ(found.train, chunk_.train);
  EXPECT_EQ(found.validation, chunk_.validation);
  EXPECT_EQ(found.documents, chunk_.documents);
}

TEST_F(WorkFolderTest, StartsAnewIfTheManifestDiffers) {
  make_chunk();
  nlohmann::json other = manifest_;
  other["tokenizer"] = "u";
  const WorkFolder work(path_, other);
  EXPECT_EQ(work.changes(), "tokenizer");
  EXPECT_FALSE(work.find(3));
}

TEST_F(WorkFolderTest, DoesNotFindADamagedChunk) {
  make_chunk();
  const auto path = file("chunk_00000003");
  const auto size = std::filesystem::file_size(path);
  for (uintmax_t at = 0; at < size; ++at) {
    std::fstream bytes(path, std::ios::in | std::ios::out | std::ios::binary);
    bytes.seekg(static_cast<std::streamoff>(at));
    const int before = bytes.get();
    bytes.seekp(static_cast<std::streamoff>(at));
    bytes.put(static_cast<char>(before ^ 0x10));
    bytes.close();
    EXPECT_FALSE(WorkFolder(path_, manifest_).find(3)) << at;
    std::fstream again(path, std::ios::in | std::ios::out | std::ios::binary);
    again.seekp(static_cast<std::streamoff>(at));
    again.put(static_cast<char>(before));
  }
  ASSERT_TRUE(WorkFolder(path_, manifest_).find(3));
  std::filesystem::resize_file(path, size - 1);
  EXPECT_FALSE(WorkFolder(path_, manifest_).find(3));
}

TEST_F(WorkFolderTest, LeavesAFolderWithOtherFilesAsItIs) {
  std::filesystem::create_directory(path_);
  std::ofstream(file("thesis.tex")) << "text";
  EXPECT_THROW(WorkFolder(path_, manifest_), ConfigurationError);
  EXPECT_TRUE(std::filesystem::exists(file("thesis.tex")));
  EXPECT_FALSE(std::filesystem::exists(file("manifest.json")));
}

TEST_F(WorkFolderTest, IsUsedByOneProcessAtATime) {
  const WorkFolder work(path_, manifest_);
  EXPECT_THROW(WorkFolder(path_, manifest_), ConfigurationError);
}

}  // namespace
}  // namespace ripieno::tools
