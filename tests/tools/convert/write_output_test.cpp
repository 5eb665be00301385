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

TEST(WriteOutput, KeepsTheOldFileIfWritingFails) {
  const TemporaryDirectory directory;
  io::write_file(local_files(), directory / "x.safetensors", "old");
  const auto fails = [&](const std::string& temporary) {
    io::write_file(local_files(), temporary, "new");
    throw StorageError("full");
  };
  EXPECT_THROW(write_output(local_files(), directory / "x.safetensors", true, fails), StorageError);
  EXPECT_EQ(io::read_file(local_files(), directory / "x.safetensors"), "old");
  EXPECT_THAT(local_files().names_in(directory.path()), testing::ElementsAre("x.safetensors"));
}

TEST(WriteOutput, KeepsUnrelatedDirectoriesNextToItsTarget) {
  const TemporaryDirectory directory;
  for (const char* name : {"x", "x.partial", "x.replaced"}) {
    local_files().make_directories(directory / name);
    io::write_file(local_files(), directory / name + "/kept.json", name);
  }
  write_output(local_files(), directory / "x", true, [](const std::string& temporary) {
    local_files().make_directories(temporary);
    io::write_file(local_files(), temporary + "/kept.json", "new");
  });
  EXPECT_EQ(io::read_file(local_files(), directory / "x/kept.json"), "new");
  EXPECT_EQ(io::read_file(local_files(), directory / "x.partial/kept.json"), "x.partial");
  EXPECT_EQ(io::read_file(local_files(), directory / "x.replaced/kept.json"), "x.replaced");
  EXPECT_THAT(local_files().names_in(directory.path()),
              testing::ElementsAre("x", "x.partial", "x.replaced"));
}

// The content of x/text.json after `operation` failed once; sets `failed` if any did.
std::string text_where_one_operation_fails(int operation, bool& failed) {
  io::CrashingFileSystem files;
  files.make_directories("out/x");
  files.sync_directory(".");
  io::write_file(files, "out/x/text.json", "old");
  files.fail_after(operation);
  try {
    write_output(files, "out/x", true, [&](const std::string& temporary) {
      files.make_directories(temporary);
      io::write_file(files, temporary + "/text.json", "new");
    });
  } catch (const StorageError&) {
  }
  failed = files.failed();
  files.recover();
  return io::read_file(files, "out/x/text.json");
}

TEST(WriteOutput, KeepsTheOldDirectoryIfAnyOperationFails) {
  bool failed = true;
  for (int operation = 0; failed; ++operation) {
    const std::string text = text_where_one_operation_fails(operation, failed);
    EXPECT_TRUE(text == "new" || (failed && text == "old")) << "operation " << operation;
  }
}

TEST(WriteOutput, DoesNotReplaceADirectoryWithOtherFiles) {
  const TemporaryDirectory directory;
  local_files().make_directories(directory / "x");
  io::write_file(local_files(), directory / "x/thesis.txt", "years");
  EXPECT_THAT(
      [&] { write_output(local_files(), directory / "x", true, [](const std::string&) {}); },
      ThrowsMessage<UsageError>(HasSubstr("contains thesis.txt")));
}

}  // namespace
}  // namespace ripieno::tools
