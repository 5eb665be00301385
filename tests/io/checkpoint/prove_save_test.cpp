#include "ripieno/io/checkpoint/prove_save.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "io/files/crashing_file_system.h"
#include "io/files/hanging_file_system.h"
#include "ripieno/core/error.h"
#include "ripieno/io/files/watched_task.h"

namespace ripieno::io {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::ThrowsMessage;

class ProvenSave : public testing::Test {
 protected:
  ProvenSave() { files_.make_directories("run"); }
  void prove(const nlohmann::json& training_state, int size = 1) {
    for (int rank = size - 1; rank >= 0; --rank)
      prove_save(files_, "run", training_state, {.rank = rank, .size = size, .attempt = "probe"});
  }

  CrashingFileSystem files_;
};

TEST_F(ProvenSave, LeavesNothingBehind) {
  for (const int size : {1, 3}) {
    prove({{"step", 0}}, size);
    EXPECT_THAT(files_.names_in("run"), IsEmpty());
  }
}

TEST_F(ProvenSave, NamesAMemberThatIsNotUtf8) {
  const nlohmann::json state = {
      {"configuration", {{"data", {{"kind", "bytes"}, {"path", "abc\xe9/text.txt"}}}}}};
  EXPECT_THAT([&] { prove(state); }, ThrowsMessage<ConfigurationError>(
                                         HasSubstr("configuration.data.path in the training state "
                                                   "is not valid UTF-8")));
  EXPECT_THAT(files_.names_in("run"), IsEmpty());
}

TEST_F(ProvenSave, FailsIfAnOperationOfASaveFails) {
  for (const char* operation : {"create", "append", "sync", "rename", "sync_directory"}) {
    files_.fail_from(operation, 0);
    EXPECT_THROW(prove({}), StorageError) << operation;
    files_.recover();
    EXPECT_THAT(files_.names_in("run"), IsEmpty()) << operation;
  }
}

TEST(HangingProof, FailsIfStorageDoesNotRespond) {
  auto& files = HangingFileSystem::immortal();
  files.hanging = "manifest.json";
  WatchedTask task(files, 0.2, [](FileSystem& to) {
    to.make_directories("run");
    prove_save(to, "run", {}, {.attempt = "probe"});
  });
  EXPECT_THAT([&] { task.finish(); },
              ThrowsMessage<StorageError>(HasSubstr("manifest.json: storage has not responded")));
  files.released.count_down();
}

}  // namespace
}  // namespace ripieno::io
