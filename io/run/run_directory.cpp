#include "ripieno/io/run/run_directory.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <nlohmann/json.hpp>
#include <thread>

#include "ripieno/core/error.h"
#include "ripieno/core/host_name.h"
#include "ripieno/io/files/durable_directories.h"
#include "ripieno/io/files/file_lock.h"
#include "ripieno/io/files/file_system.h"
#include "ripieno/io/files/replace_file.h"
#include "ripieno/io/files/write_aside.h"

namespace ripieno::io {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kVersion = 1;  // of run.json

[[noreturn]] void unwritable(const std::string& path, const std::string& why) {
  throw ConfigurationError(fmt::format(
      "run directory {} cannot be written ({}); make it writable, or choose another", path, why));
}

int open_lock(const RunPaths& paths) {
  const int lock = ::open(paths.lock().c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (lock < 0) unwritable(paths.directory, std::strerror(errno));
  return lock;
}

// Waits for the lock. False if another process still holds it after `seconds`; true if it was
// acquired or the file system does not support locks.
bool wait_for(int lock, double seconds) {
  const auto end = Clock::now() + std::chrono::duration<double>(seconds);
  while (try_lock(lock) == FileLock::busy) {
    if (Clock::now() >= end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  return true;
}

// The text that the holder of the lock wrote to the lock file: "process 1234 on host7".
std::string holder_in(int lock) {
  char text[256];
  const ssize_t size = ::pread(lock, text, sizeof(text), 0);
  return size > 0 ? std::string(text, static_cast<std::size_t>(size)) : "another process";
}

void write_holder_to(int lock) {
  const std::string text = fmt::format("process {} on {}", ::getpid(), host_name());
  // Used only in messages, so failures are ignored.
  [[maybe_unused]] const bool written =
      ::ftruncate(lock, 0) == 0 && ::pwrite(lock, text.data(), text.size(), 0) > 0;
}

}  // namespace

RunDirectory::RunDirectory(const std::string& path, double wait_seconds) : paths_{path} {
  try {
    make_durable_directories(local_files(), paths_.checkpoints());
  } catch (const StorageError& error) {
    unwritable(path, error.what());
  }
  lock_ = open_lock(paths_);
  if (!wait_for(lock_, wait_seconds)) {
    const std::string holder = holder_in(lock_);
    ::close(lock_);
    throw ConfigurationError(fmt::format(
        "run directory {} is in use by {}; wait until it ends, or choose another directory", path,
        holder));
  }
  write_holder_to(lock_);
  remove_leftovers(local_files(), paths_.record());
}

RunDirectory::~RunDirectory() { ::close(lock_); }

nlohmann::json read_record(const RunPaths& paths) {
  if (!local_files().exists(paths.record())) return {{"starts", nlohmann::json::array()}};
  const std::string text = read_file(local_files(), paths.record());
  auto record = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!record.contains("starts") || !record["starts"].is_array()) {
    throw DataError(paths.record() +
                    " is damaged or not the record of a run: it has no array \"starts\"; move it "
                    "away to start a new record");
  }
  // None so far has a version.
  if (const auto version = record.find("version");
      version != record.end() && *version != kVersion) {
    throw DataError(
        fmt::format("{} has version {}, but version {} is required; read it with the "
                    "Ripieno that wrote it, or move it away to start a new record",
                    paths.record(), version->dump(), kVersion));
  }
  return record;
}

namespace {

void write_record(FileSystem& files, const RunPaths& paths, const nlohmann::json& record) {
  replace_file(files, paths.record(),
               record.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
}

}  // namespace

void append_start(FileSystem& files, const RunPaths& paths, const nlohmann::json& start) {
  nlohmann::json record = read_record(paths);
  record["starts"].push_back(start);
  write_record(files, paths, record);
}

void note_progress(FileSystem& files, const RunPaths& paths, const nlohmann::json& progress) {
  nlohmann::json record = read_record(paths);
  auto& starts = record["starts"];
  if (starts.empty() || !starts.back().is_object()) return;
  starts.back()["progress"] = progress;
  write_record(files, paths, record);
}

}  // namespace ripieno::io
