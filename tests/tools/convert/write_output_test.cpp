#include "ripieno/tools/convert/write_output.h"

#include <gmock/gmock.h>

#include "io/files/crashing_file_system.h"
#include "io/files/temporary_directory.h"
#include "ripieno/core/error.h"
#include "ripieno/training/session/exit_status.h"

namespace ripieno::tools {
namespace {

using io::local_files;
using io::TemporaryDirectory;
using testing::HasSubstr;
using testing::ThrowsMessage;

TEST(WriteOutput, LeavesWhatWasThereWhereWritingFails) {
  const TemporaryDirectory directory;
  io::write_file(local_files(), directory / "x.safetensors", "old");
  const auto fails = [&](const std::string& aside) {
    io::write_file(local_files(), aside, "new");
    throw StorageError("full");
  };
  EXPECT_THROW(write_output(local_files(), directory / "x.safetensors", true, fails), StorageError);
  EXPECT_EQ(io::read_file(local_files(), directory / "x.safetensors"), "old");
  EXPECT_THAT(local_files().names_in(directory.path()), testing::ElementsAre("x.safetensors"));
}

TEST(WriteOutput, LeavesStrangersBesideItsTarget) {
  const TemporaryDirectory directory;
  for (const char* name : {"x", "x.partial", "x.replaced"}) {
    local_files().make_directories(directory / name);
    io::write_file(local_files(), directory / name + "/kept.json", name);
  }
  write_output(local_files(), directory / "x", true, [](const std::string& aside) {
    local_files().make_directories(aside);
    io::write_file(local_files(), aside + "/kept.json", "new");
  });
  EXPECT_EQ(io::read_file(local_files(), directory / "x/kept.json"), "new");
  EXPECT_EQ(io::read_file(local_files(), directory / "x.partial/kept.json"), "x.partial");
  EXPECT_EQ(io::read_file(local_files(), directory / "x.replaced/kept.json"), "x.replaced");
  EXPECT_THAT(local_files().names_in(directory.path()),
              testing::ElementsAre("x", "x.partial", "x.replaced"));
}

// Of a disk that fails once, at an operation: what x/text.json holds afterwards.
std::string text_where_one_operation_fails(int operation, bool& failed) {
  io::CrashingFileSystem files;
  files.make_directories("out/x");
  files.sync_directory(".");
  io::write_file(files, "out/x/text.json", "old");
  files.fail_after(operation);
  try {
    write_output(files, "out/x", true, [&](const std::string& aside) {
      files.make_directories(aside);
      io::write_file(files, aside + "/text.json", "new");
    });
  } catch (const StorageError&) {
  }
  failed = files.failed();
  files.recover();
  return io::read_file(files, "out/x/text.json");
}

TEST(WriteOutput, LeavesTheOldDirectoryInItsPlaceWhereAnyOperationFails) {
  bool failed = true;
  for (int operation = 0; failed; ++operation) {
    const std::string text = text_where_one_operation_fails(operation, failed);
    EXPECT_TRUE(text == "new" || (failed && text == "old")) << "operation " << operation;
  }
}

TEST(WriteOutput, ReplacesNoDirectoryThatSomethingElseLivesIn) {
  const TemporaryDirectory directory;
  local_files().make_directories(directory / "x");
  io::write_file(local_files(), directory / "x/thesis.txt", "years");
  EXPECT_THAT(
      [&] { write_output(local_files(), directory / "x", true, [](const std::string&) {}); },
      ThrowsMessage<UsageError>(HasSubstr("holds thesis.txt")));
}

}  // namespace
}  // namespace ripieno::tools
