// Every way of damaging a file of a checkpoint is noticed.
#include <gmock/gmock.h>

#include "io/crashing_file_system.h"
#include "io/sample_state.h"
#include "ripieno/core/error.h"

namespace ripieno::io {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

const std::string kPath = "run/step_00000001";

class DamagedCheckpoint : public testing::TestWithParam<std::string> {
 protected:
  DamagedCheckpoint() { save_on_ranks(files_, "run", 1, 2, sample_state(1), "first"); }

  std::string& bytes() { return files_.bytes(file_); }
  bool is_refused() const {
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

TEST_P(DamagedCheckpoint, IsRefusedForAnyByte) {
  ASSERT_FALSE(is_refused());
  for (std::size_t at = 0; at < bytes().size(); ++at) {
    const char flipped = static_cast<char>(1 << at % 8);
    bytes()[at] ^= flipped;
    ASSERT_TRUE(is_refused()) << "byte " << at;
    bytes()[at] ^= flipped;
  }
}

TEST_P(DamagedCheckpoint, IsRefusedWhenCutOffAnywhere) {
  const std::string whole = bytes();
  for (std::size_t size = 0; size < whole.size(); size += size < 300 ? 1 : 97) {
    bytes() = whole.substr(0, size);
    ASSERT_TRUE(is_refused()) << size << " bytes";
  }
}

TEST_P(DamagedCheckpoint, IsRefusedWhenSomethingIsAdded) {
  bytes() += '\0';
  EXPECT_TRUE(is_refused());
}

INSTANTIATE_TEST_SUITE_P(, DamagedCheckpoint,
                         testing::Values("manifest.json", "checkpoint.h5",
                                         "shard_00000_of_00002.h5", "shard_00001_of_00002.h5"),
                         [](const auto& test) {
                           return test.param.substr(0, test.param.find('.'));
                         });

}  // namespace
}  // namespace ripieno::io
