#include "ripieno/tools/doctor/storage.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string_view>

#include "ripieno/core/error.h"
#include "ripieno/core/host_name.h"
#include "ripieno/tools/doctor/codes.h"
#include "ripieno/tools/doctor/within.h"
#include "ripieno/tools/table.h"

namespace ripieno::tools::doctor {
namespace {

using Clock = std::chrono::steady_clock;

constexpr const char* kSubject = "storage";
constexpr std::size_t kChunk = 1 << 20, kMostChunks = 48;
constexpr double kMostWriteSeconds = 1.5;
constexpr int64_t kLeastFree = 64 << 20;
constexpr double kSlowBytesPerSecond = 20e6;
constexpr double kMostClockDifference = 2;
constexpr std::string_view kAside = ".partial";

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// Numbers that no file system compresses.
std::vector<std::byte> noise() {
  std::vector<std::byte> bytes(kChunk);
  uint64_t state = 1;
  for (auto& byte : bytes) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    byte = static_cast<std::byte>(state >> 56);
  }
  return bytes;
}

std::string nearest_existing(const io::FileSystem& files, std::string directory) {
  while (directory != "." && directory != "/" && !files.exists(directory))
    directory = io::parent_of(directory);
  return directory;
}

void read_mount(StorageFacts& facts) {
  struct stat status = {};
  facts.is_directory = ::stat(facts.directory.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
  struct statvfs space = {};
  if (::statvfs(facts.directory.c_str(), &space) == 0) {
    facts.is_read_only = (space.f_flag & ST_RDONLY) != 0;
    const auto unit = static_cast<int64_t>(space.f_frsize);
    if (space.f_blocks > 0)
      facts.space = Space{static_cast<int64_t>(space.f_blocks) * unit,
                          static_cast<int64_t>(space.f_bavail) * unit};
  }
  facts.is_writable = ::access(facts.directory.c_str(), W_OK | X_OK) == 0;
}

// The number of chunks written and synced in about kMostWriteSeconds: one if the first takes long.
std::size_t write(io::WritableFile& file, std::span<const std::byte> chunk,
                  std::optional<Space> space, StorageFacts& facts) {
  const auto start = Clock::now();
  file.append(chunk);
  file.sync();
  std::size_t chunks = 1;
  const bool is_fast = seconds_since(start) < kMostWriteSeconds / 10;
  const std::size_t room =
      space ? static_cast<std::size_t>(space->free_bytes) / kChunk / 2 : kMostChunks;
  const std::size_t most = std::min(is_fast ? kMostChunks : 1, std::max<std::size_t>(room, 1));
  while (chunks < most && seconds_since(start) < kMostWriteSeconds / 2) {
    file.append(chunk);
    ++chunks;
  }
  if (chunks > 1) file.sync();
  facts.write_bytes_per_second =
      static_cast<double>(chunks * kChunk) / std::max(seconds_since(start), 1e-9);
  return chunks;
}

// So that the file is read from the disk, where there is one.
void drop_from_cache(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return;
  ::posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
  ::close(file);
}

void read_back(const io::FileSystem& files, const std::string& path, std::size_t chunks,
               std::span<const std::byte> expected, StorageFacts& facts) {
  drop_from_cache(path);
  std::vector<std::byte> chunk(kChunk);
  const auto start = Clock::now();
  const auto file = files.open(path);
  for (std::size_t i = 0; i < chunks; ++i) {
    file->read(static_cast<int64_t>(i * kChunk), chunk);
    if (!std::equal(chunk.begin(), chunk.end(), expected.begin()))
      throw StorageError(path + ": other bytes were read than were written");
  }
  facts.read_bytes_per_second =
      static_cast<double>(chunks * kChunk) / std::max(seconds_since(start), 1e-9);
}

double age_of(const std::string& path) {
  struct stat status = {};
  timespec now = {};
  if (::stat(path.c_str(), &status) != 0) return 0;
  ::clock_gettime(CLOCK_REALTIME, &now);
  return static_cast<double>(status.st_mtim.tv_sec - now.tv_sec) +
         static_cast<double>(status.st_mtim.tv_nsec - now.tv_nsec) / 1e9;
}

// Of a process that was killed on this host.
bool is_left_over(std::string_view name, std::string_view prefix) {
  int process = 0;
  if (!name.starts_with(prefix)) return false;
  name.remove_prefix(prefix.size());
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), process);
  const std::string_view rest = name.substr(static_cast<std::size_t>(end - name.data()));
  const bool is_ours = error == std::errc() && (rest.empty() || rest == kAside);
  return is_ours && process > 0 && ::kill(process, 0) != 0 && errno == ESRCH;
}

void remove_leftovers(io::FileSystem& files, const std::string& directory,
                      std::string_view prefix) {
  for (const auto& name : files.names_in(directory)) {
    if (is_left_over(name, prefix)) files.remove_all(directory + "/" + name);
  }
}

void write_and_read(io::FileSystem& files, StorageFacts& facts) {
  const std::string prefix = fmt::format(".ripieno_doctor_{}_", host_name());
  const std::string name = fmt::format("{}/{}{}", facts.directory, prefix, ::getpid());
  const std::string aside = name + std::string(kAside);
  try {
    remove_leftovers(files, facts.directory, prefix);
    const auto chunk = noise();
    const auto file = files.create(aside);
    const std::size_t chunks = write(*file, chunk, facts.space, facts);
    facts.clock_difference_seconds = age_of(aside);
    files.rename(aside, name);
    files.sync_directory(facts.directory);
    if (files.exists(aside) || !files.exists(name))
      throw StorageError(name + ": a renamed file does not have its new name");
    read_back(files, name, chunks, chunk, facts);
  } catch (const Error& error) {
    facts.failure = error.what();
  }
  for (const auto& left : {aside, name}) {
    try {
      files.remove_all(left);
    } catch (const StorageError& error) {
      if (facts.failure.empty()) facts.failure = error.what();
    }
  }
}

std::string summary(const StorageFacts& facts) {
  std::string text = facts.directory;
  if (facts.space) text += fmt::format(": {} free", readable_bytes(facts.space->free_bytes));
  const auto rate = [](double bytes) { return readable_bytes(std::llround(bytes)); };
  return text + fmt::format(", writes {}/s, reads {}/s", rate(facts.write_bytes_per_second),
                            rate(facts.read_bytes_per_second));
}

// What makes every write fail; nothing else is reported then.
std::optional<Finding> check_access(const StorageFacts& facts, const std::string& where) {
  if (!facts.has_answered) return found(kSubject, kStorageHangs, "no answer in time", where);
  if (!facts.is_directory) return found(kSubject, kNotADirectory, "it is a file", where);
  if (facts.is_read_only) return found(kSubject, kReadOnly, "the file system is read-only", where);
  if (!facts.is_writable) {
    return found(kSubject, kNotWritable, fmt::format("user {} may not write it", ::geteuid()),
                 where);
  }
  return std::nullopt;
}

}  // namespace

StorageFacts probe_storage(io::FileSystem& files, const std::string& directory, double seconds) {
  const auto probe = [&files, directory] {
    StorageFacts facts{.directory = nearest_existing(files, directory)};
    read_mount(facts);
    if (facts.is_directory && facts.is_writable && !facts.is_read_only)
      write_and_read(files, facts);
    return facts;
  };
  const auto facts = within<StorageFacts>(seconds, probe);
  return facts.value_or(StorageFacts{.directory = directory, .has_answered = false});
}

StorageFacts find_storage(io::FileSystem& files, const std::string& directory, double seconds) {
  const auto found = within<std::string>(
      seconds, [&files, directory] { return nearest_existing(files, directory); });
  return {.directory = found.value_or(directory), .has_answered = found.has_value()};
}

std::vector<Finding> check_storage(const StorageFacts& facts, const std::string& host,
                                   int64_t needed_bytes) {
  const std::string where = fmt::format("{} on {}", facts.directory, host);
  if (const auto finding = check_access(facts, where)) return {*finding};
  std::vector<Finding> findings;
  const int64_t needed = std::max(needed_bytes, kLeastFree);
  if (facts.space && facts.space->free_bytes < needed) {
    findings.push_back(
        found(kSubject, kNoRoom,
              fmt::format("{} free, {} required", readable_bytes(facts.space->free_bytes),
                          readable_bytes(needed)),
              where));
  } else if (!facts.failure.empty()) {
    findings.push_back(found(kSubject, kStorageFails, facts.failure, where));
  }
  if (facts.write_bytes_per_second > 0 && facts.write_bytes_per_second < kSlowBytesPerSecond) {
    findings.push_back(
        found(kSubject, kSlowStorage,
              fmt::format("{}/s including the sync",
                          readable_bytes(std::llround(facts.write_bytes_per_second))),
              where));
  }
  if (std::abs(facts.clock_difference_seconds) > kMostClockDifference) {
    findings.push_back(
        found(kSubject, kStorageClock,
              fmt::format("a new file is {:.1f} s {}", std::abs(facts.clock_difference_seconds),
                          facts.clock_difference_seconds > 0 ? "in the future" : "old"),
              where));
  }
  if (findings.empty()) findings.push_back(ok(kSubject, summary(facts)));
  return findings;
}

}  // namespace ripieno::tools::doctor
