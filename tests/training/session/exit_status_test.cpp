#include "ripieno/training/session/exit_status.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <new>

namespace ripieno {
namespace {

TEST(ExitStatus, FollowsTheKindOfFailure) {
  EXPECT_EQ(static_cast<int>(exit_status_of(UsageError("x"))), 64);
  EXPECT_EQ(static_cast<int>(exit_status_of(DataError("x"))), 65);
  EXPECT_EQ(static_cast<int>(exit_status_of(Error("x"))), 70);
  EXPECT_EQ(static_cast<int>(exit_status_of(std::bad_alloc())), 71);
  EXPECT_EQ(static_cast<int>(exit_status_of(StorageError("x"))), 74);
  EXPECT_EQ(static_cast<int>(exit_status_of(CommunicationFailure("x"))), 76);
  EXPECT_EQ(static_cast<int>(exit_status_of(ConfigurationError("x"))), 78);
  const std::filesystem::filesystem_error refused("x", std::error_code());
  EXPECT_EQ(static_cast<int>(exit_status_of(refused)), 74);
}

TEST(ExitStatus, OfARankFailureIsThatOfItsCause) {
  EXPECT_EQ(exit_status_of(RankFailure(ExitStatus::storage, "rank 1: full")), ExitStatus::storage);
}

}  // namespace
}  // namespace ripieno
