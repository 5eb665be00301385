// What a run says where nothing keeps a second one out of its directory.
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

// On stderr, by a run on two ranks.
std::string said_where_flock_fails_with(int error) {
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

TEST(AbsentLocks, AreToldOnceAndTheRunGoesOn) {
  const std::string said = said_where_flock_fails_with(ENOLCK);
  EXPECT_THAT(said, HasSubstr("/run: its file system has no locks (No locks available), so"));
  EXPECT_EQ(said.find("no locks"), said.rfind("no locks"));
}

TEST(AbsentLocks, AreNotToldOfWhereThereAreLocks) {
  EXPECT_THAT(said_where_flock_fails_with(0), Not(HasSubstr("locks")));
}

}  // namespace
}  // namespace ripieno
