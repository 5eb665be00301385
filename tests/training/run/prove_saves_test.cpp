// Checks of the storage before the first step, also if it does not respond.
#include <gmock/gmock.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <thread>

#include "io/files/temporary_directory.h"
#include "ripieno/training/run/run_saves.h"

namespace {

std::atomic<bool> hangs = false;

}  // namespace

// Replaces the function of the C library for all files of this program: behaves like a network file
// system whose server is gone.
extern "C" int fdatasync(int file) {
  hangs.wait(true);
  return static_cast<int>(::syscall(SYS_fdatasync, file));
}

namespace ripieno {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

// The error of each rank; empty if there is none.
std::vector<std::string> failures_of(int ranks, const RunSavesOptions& options,
                                     const io::RoomNeeded& needed) {
  auto group = distributed::in_process(ranks);
  std::vector<std::string> failures(group.size());
  std::vector<std::jthread> threads;
  for (std::size_t rank = 0; rank < group.size(); ++rank) {
    threads.emplace_back([&, rank] {
      Session session(std::move(group[rank]));
      try {
        prove_saves(session, options, {{"step", 0}});
        prove_room(session, options, [&] { return needed; });
      } catch (const std::exception& error) {
        failures[rank] = error.what();
      }
    });
  }
  threads.clear();
  return failures;
}

class ProofOfSaves : public testing::TestWithParam<int> {
 protected:
  // Abandoned threads must end before the directory is removed.
  ~ProofOfSaves() override {
    hangs = false;
    hangs.notify_all();
  }
  std::string failure(const io::RoomNeeded& needed = {}) const {
    const auto all = failures_of(
        GetParam(), {.directory = directory_.path(), .stall_timeout_seconds = 0.2}, needed);
    for (std::size_t rank = 1; rank < all.size(); ++rank) EXPECT_THAT(all[rank], IsEmpty());
    return all[0];
  }
  io::TemporaryDirectory directory_;
};

TEST_P(ProofOfSaves, LeavesNothingBehind) {
  EXPECT_THAT(failure(), IsEmpty());
  EXPECT_TRUE(std::filesystem::is_empty(directory_.path()));
}

TEST_P(ProofOfSaves, TimesOutIfStorageDoesNotRespond) {
  hangs = true;
  EXPECT_THAT(failure(), HasSubstr("storage has not responded for 0.2 s"));
}

TEST_P(ProofOfSaves, FailsIfTheDiskIsTooSmallForTheRun) {
  const auto space = std::filesystem::space(directory_.path());
  EXPECT_THAT(failure({.bytes = static_cast<int64_t>(space.capacity) + 1}),
              HasSubstr("No space left on device"));
}

INSTANTIATE_TEST_SUITE_P(On, ProofOfSaves, testing::Values(1, 3),
                         [](const auto& ranks) { return std::to_string(ranks.param) + "Ranks"; });

}  // namespace
}  // namespace ripieno
