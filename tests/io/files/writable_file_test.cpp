// Tests which system calls local_files() makes when writing, and how it handles their failures.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <filesystem>
#include <functional>
#include <optional>

#include "io/files/temporary_directory.h"
#include "io/files/tiny_disk.h"
#include "ripieno/core/error.h"
#include "ripieno/io/files/file_system.h"

namespace {

// Overrides write(): the result to return (bytes to write, or 0 or -1), or nullopt for a normal
// write. Not used if empty.
std::function<std::optional<ssize_t>(int file, std::size_t count)> instead_of_write;
std::atomic<int> writes = 0, direct_writes = 0, syncs = 0;
std::atomic<bool> sync_fails = false;

bool is_direct(int file) { return (::fcntl(file, F_GETFL) & O_DIRECT) != 0; }

ssize_t fail_with(int error) {
  errno = error;
  return -1;
}

}  // namespace

// These replace the functions of the C library.
extern "C" ssize_t write(int file, const void* bytes, size_t count) {
  ++writes;
  if (is_direct(file)) ++direct_writes;
  if (instead_of_write) {
    if (const auto result = instead_of_write(file, count)) {
      if (*result <= 0) return *result;
      count = static_cast<size_t>(*result);
    }
  }
  return ::syscall(SYS_write, file, bytes, count);
}

extern "C" int fdatasync(int file) {
  ++syncs;
  if (sync_fails) return static_cast<int>(fail_with(EIO));
  return static_cast<int>(::syscall(SYS_fdatasync, file));
}

namespace ripieno::io {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::ThrowsMessage;

constexpr std::size_t kMiB = 1 << 20;
constexpr std::size_t kLarge = 20 * kMiB + 4097;

std::string sample(std::size_t bytes) {
  std::string text(bytes, ' ');
  for (std::size_t i = 0; i < bytes; ++i) text[i] = static_cast<char>(i * 2654435761u >> 13);
  return text;
}

std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text));
}

int64_t threads() {
  return std::distance(std::filesystem::directory_iterator("/proc/self/task"),
                       std::filesystem::directory_iterator());
}

class WritableFileOnDisk : public testing::Test {
 protected:
  WritableFileOnDisk() {
    writes = direct_writes = syncs = 0;
    sync_fails = false;
  }
  ~WritableFileOnDisk() override {
    instead_of_write = nullptr;
    sync_fails = false;
  }
  void write_large(const std::string& path, const std::string& text, std::size_t run = 777'777) {
    const auto file = local_files().create(path);
    file->reserve(std::ssize(text));
    for (std::size_t at = 0; at < text.size(); at += run)
      file->append(bytes_of(text).subspan(at, std::min(run, text.size() - at)));
    file->sync();
  }
  // The first error thrown by append() or sync(); empty if there is none.
  std::string failure_of_writing(const std::string& text) {
    try {
      write_large(path_, text);
    } catch (const StorageError& error) {
      return error.what();
    }
    return "";
  }

  TemporaryDirectory directory_;
  const std::string path_ = directory_ / "large";
};

TEST_F(WritableFileOnDisk, HasTheRightBytesForAnySize) {
  for (const std::size_t size : {8 * kMiB - 1, 8 * kMiB, 8 * kMiB + 1, 16 * kMiB, 16 * kMiB + 4096,
                                 16 * kMiB + 4095, kLarge}) {
    const std::string text = sample(size);
    write_large(path_, text);
    EXPECT_TRUE(read_file(local_files(), path_) == text) << size;
  }
}

TEST_F(WritableFileOnDisk, HasTheRightBytesForAppendsOfAnySize) {
  const std::string text = sample(kLarge);
  for (const std::size_t run : {4096ul, 100'003ul, 8 * kMiB, kLarge}) {
    write_large(path_, text, run);
    EXPECT_TRUE(read_file(local_files(), path_) == text) << run;
  }
}

TEST_F(WritableFileOnDisk, AcceptsAppendsAfterASync) {
  const std::string text = sample(9 * kMiB + 5);
  const auto file = local_files().create(path_);
  file->reserve(2 * std::ssize(text));
  for (int i = 0; i < 2; ++i) {
    file->append(bytes_of(text));
    file->sync();
  }
  EXPECT_TRUE(read_file(local_files(), path_) == text + text);
}

TEST_F(WritableFileOnDisk, BypassesThePageCacheIfItIsLarge) {
  const int probe = ::open((directory_ / "probe").c_str(), O_WRONLY | O_CREAT | O_DIRECT, 0600);
  if (probe < 0) GTEST_SKIP() << "the file system of " << directory_.path() << " has no O_DIRECT";
  ::close(probe);
  write_large(path_, sample(kLarge));
  EXPECT_EQ(direct_writes, 3);  // of 8, 8 and 4 MiB and a block
  EXPECT_EQ(writes, 4);
}

TEST_F(WritableFileOnDisk, UsesThePageCacheIfDirectWritesFail) {
  instead_of_write = [](int file, std::size_t) -> std::optional<ssize_t> {
    if (is_direct(file)) return fail_with(EINVAL);
    return std::nullopt;
  };
  const std::string text = sample(kLarge);
  write_large(path_, text);
  EXPECT_TRUE(read_file(local_files(), path_) == text);
}

TEST_F(WritableFileOnDisk, IsCompleteIfWritesAreInterruptedOrShort) {
  int call = 0;
  instead_of_write = [&](int, std::size_t count) -> std::optional<ssize_t> {
    if (++call % 3 == 0) return fail_with(EINTR);
    return count > 100 ? count / 2 - 7 : count;
  };
  const std::string text = sample(kLarge);
  write_large(path_, text);
  EXPECT_TRUE(read_file(local_files(), path_) == text);
}

TEST_F(WritableFileOnDisk, StartsNoThreadIfItIsSmall) {
  const auto before = threads();
  const auto file = local_files().create(path_);
  file->reserve(1 << 20);
  file->append(bytes_of(sample(1 << 20)));
  EXPECT_EQ(threads(), before);
  EXPECT_EQ(direct_writes, 0);
}

TEST_F(WritableFileOnDisk, JoinsItsThreadIfItIsNotSynced) {
  const auto before = threads();
  for (const std::size_t size : {0ul, kMiB, 30 * kMiB}) {
    const auto file = local_files().create(path_);
    file->reserve(30 * kMiB);
    EXPECT_EQ(threads(), before + 1);
    file->append(bytes_of(sample(size)));
  }
  EXPECT_EQ(threads(), before);
}

TEST_F(WritableFileOnDisk, ReportsAFailureOfAnyWriteOfItsThread) {
  for (int at = 1; at <= 4; ++at) {
    int call = 0;
    instead_of_write = [&](int, std::size_t) -> std::optional<ssize_t> {
      if (++call == at) return fail_with(EIO);
      return std::nullopt;
    };
    syncs = 0;
    EXPECT_EQ(failure_of_writing(sample(kLarge)),
              "cannot write " + path_ +
                  ": Input/output error; check the system log for disk errors, or choose another "
                  "directory");
    EXPECT_EQ(call, at);
    EXPECT_EQ(syncs, 0);
  }
}

TEST_F(WritableFileOnDisk, FailsIfTheSystemWritesNothing) {
  instead_of_write = [](int, std::size_t) { return 0; };
  EXPECT_THAT(failure_of_writing(sample(1)), HasSubstr("cannot write " + path_));
}

TEST_F(WritableFileOnDisk, RejectsEveryCallAfterAFailure) {
  for (const int64_t size : {std::ssize(sample(1)), int64_t{16 << 20}}) {
    const std::string text = sample(static_cast<std::size_t>(size));
    const auto file = local_files().create(path_);
    file->reserve(size);
    instead_of_write = [](int, std::size_t) { return fail_with(EIO); };
    const auto write = [&] {
      file->append(bytes_of(text));
      file->sync();
    };
    EXPECT_THROW(write(), StorageError);
    instead_of_write = nullptr;
    writes = syncs = 0;
    const auto is_rejected = ThrowsMessage<StorageError>(HasSubstr("write the file again"));
    EXPECT_THAT([&] { file->append(bytes_of(text)); }, is_rejected);
    EXPECT_THAT([&] { file->sync(); }, is_rejected);
    EXPECT_THAT([&] { file->reserve(1); }, is_rejected);
    EXPECT_EQ(writes + syncs, 0);
  }
}

TEST_F(WritableFileOnDisk, IsNeverSyncedAgainAfterAFailedSync) {
  const auto file = local_files().create(path_);
  file->append(bytes_of("some"));
  sync_fails = true;
  EXPECT_THAT([&] { file->sync(); },
              ThrowsMessage<StorageError>(HasSubstr("cannot sync " + path_)));
  sync_fails = false;
  EXPECT_THROW(file->sync(), StorageError);
  EXPECT_EQ(syncs, 1);
}

TEST_F(WritableFileOnDisk, NamesTheFileIfItsThreadFindsTheDiskFull) {
  const TinyDisk disk("12m");
  if (!disk.is_mounted()) GTEST_SKIP() << "only root may mount a small disk";
  const auto file = local_files().create(disk / "a");
  file->reserve(9 << 20);
  const std::string text = sample(24 * kMiB);  // more than was reserved
  EXPECT_THAT(
      [&] {
        file->append(bytes_of(text));
        file->sync();
      },
      ThrowsMessage<StorageError>(AllOf(HasSubstr("cannot write " + (disk / "a") + ": No space"),
                                        HasSubstr("free some space: 9.0 MiB needed"))));
}

}  // namespace
}  // namespace ripieno::io
