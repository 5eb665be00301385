// Warning of a run on a file system without locks, where a second run would not be detected.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <string>

#include "io/files/no_locks.h"
#include "io/files/temporary_directory.h"
#include "training/run/tiny_run.h"

namespace ripieno {
namespace {

using testing::HasSubstr;
using testing::Not;

// The messages of a run on two ranks.
std::string messages_if_flock_fails_with(int error) {
  const TemporaryDirectory directory;
  std::FILE* messages = std::tmpfile();
  TinyRun run{.directory = directory / "run"};
  run.options.steps = 1;
  run.options.messages = messages;
  io::flock_fails_with = error;
  EXPECT_EQ(run.train_on(2), 0);
  io::flock_fails_with = 0;
  std::string text(4096, '\0');
  std::rewind(messages);
  text.resize(std::fread(text.data(), 1, text.size(), messages));
  std::fclose(messages);
  return text;
}

TEST(AbsentLocks, CauseOneWarningAndTheRunContinues) {
  const std::string messages = messages_if_flock_fails_with(ENOLCK);
  EXPECT_THAT(messages,
              HasSubstr("/run: the file system does not support locks (No locks available), so"));
  EXPECT_EQ(messages.find("support locks"), messages.rfind("support locks"));
}

TEST(AbsentLocks, CauseNoWarningIfThereAreLocks) {
  EXPECT_THAT(messages_if_flock_fails_with(0), Not(HasSubstr("locks")));
}

}  // namespace
}  // namespace ripieno
