// Any damage to a file of a checkpoint is detected.
#include <gmock/gmock.h>

#include "io/checkpoint/sample_state.h"
#include "io/files/crashing_file_system.h"
#include "ripieno/core/error.h"
#include "ripieno/io/checkpoint/shard.h"
#include "ripieno/io/files/sealed_json.h"

namespace ripieno::io {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

const std::string kPath = "run/step_00000001";

class DamagedCheckpoint : public testing::TestWithParam<std::string> {
 protected:
  DamagedCheckpoint() { save_on_ranks(files_, "run", 1, 2, sample_state(1), "first"); }

  std::string& bytes() { return files_.bytes(file_); }
  bool is_rejected() const {
    try {
      Checkpoint::open(files_, kPath).verify();
      return false;
    } catch (const DataError& error) {
      return std::string(error.what()).find(file_) != std::string::npos;
    }
  }

  CrashingFileSystem files_;
  const std::string file_ = kPath + "/" + GetParam();
};

TEST_P(DamagedCheckpoint, IsRejectedForAnyByte) {
  ASSERT_FALSE(is_rejected());
  for (std::size_t at = 0; at < bytes().size(); ++at) {
    const char flipped = static_cast<char>(1 << at % 8);
    bytes()[at] ^= flipped;
    ASSERT_TRUE(is_rejected()) << "byte " << at;
    bytes()[at] ^= flipped;
  }
}

TEST_P(DamagedCheckpoint, IsRejectedIfTruncatedAtAnyByte) {
  const std::string whole = bytes();
  for (std::size_t size = 0; size < whole.size(); ++size) {
    bytes() = whole.substr(0, size);
    ASSERT_TRUE(is_rejected()) << size << " bytes";
  }
}

TEST_P(DamagedCheckpoint, IsRejectedIfAByteIsAppended) {
  bytes() += '\0';
  EXPECT_TRUE(is_rejected());
}

// A load reads only the pieces that it needs, and need not detect damage outside them.
TEST_P(DamagedCheckpoint, LoadsCorrectlyOrIsRejectedForAnyByte) {
  const auto saved = numbers_of(sample_state(1));
  const bool is_read = GetParam() != "checkpoint.h5";
  int rejected = 0;
  for (std::size_t at = 0; at < bytes().size(); at += is_read ? 1 : 97) {
    const char flipped = static_cast<char>(1 << at % 8);
    bytes()[at] ^= flipped;
    try {
      ASSERT_EQ(numbers_in(files_, kPath), saved) << "byte " << at;
    } catch (const DataError& error) {
      ASSERT_THAT(error.what(), HasSubstr(file_));
      ++rejected;
    }
    bytes()[at] ^= flipped;
  }
  EXPECT_EQ(rejected > 0, is_read);
}

INSTANTIATE_TEST_SUITE_P(, DamagedCheckpoint,
                         testing::Values("manifest.json", "checkpoint.h5",
                                         "shard_00000_of_00002.h5", "shard_00001_of_00002.h5"),
                         [](const auto& test) {
                           return test.param.substr(0, test.param.find('.'));
                         });

// The file through which a rank reports its shard to rank 0.
class DamagedSideFile : public testing::Test {
 protected:
  static std::string text() {
    CrashingFileSystem files;
    files.make_directories("run");
    LaidOut laid_out;
    return to_text(
        Side{"first", write_shard(files, "run", 0, 1, sample_state(1), laid_out), std::nullopt});
  }
};

TEST_F(DamagedSideFile, IsRejectedForAnyBit) {
  std::string side = text();
  side_from_text(side);
  for (std::size_t bit = 0; bit < 8 * side.size(); ++bit) {
    side[bit / 8] ^= static_cast<char>(1 << bit % 8);
    ASSERT_THROW(side_from_text(side), DataError) << "bit " << bit;
    side[bit / 8] ^= static_cast<char>(1 << bit % 8);
  }
}

TEST_F(DamagedSideFile, IsRejectedIfTruncatedAtAnyByte) {
  const std::string side = text();
  for (std::size_t size = 0; size < side.size(); ++size)
    ASSERT_THROW(side_from_text(std::string_view(side).substr(0, size)), DataError) << size;
}

// JSON and checksum are valid, but the shape is not.
TEST(SideFile, WithATensorOfTooManyAxesIsRejected) {
  EXPECT_THAT(
      [] {
        side_from_text(seal(
            R"("side": {"attempt":"1","file":{"name":"a","bytes":1,"xxh3":"0000000000000000"},)"
            R"("tensors":[{"name":"w","kind":"buffer","dtype":"bool",)"
            R"("shape":[1,1,1,1,1,1,1,1,1],"pieces":[]}]})"));
      },
      ThrowsMessage<DataError>(
          HasSubstr("tensors[0]: shape[8]: shape: a tensor has at most 8 axes")));
}

}  // namespace
}  // namespace ripieno::io
