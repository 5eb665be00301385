// WatchedFiles: wraps a FileSystem and records for how long storage has not responded, so that
// another thread can stop waiting for it. Not installed.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "ripieno/io/files/file_system.h"

namespace ripieno::io {

class WatchedFiles final : public FileSystem {
 public:
  // `files` must outlive this object, and this object the files that it opens.
  explicit WatchedFiles(FileSystem& files) : files_(files) {}

  // Seconds since any operation last started or ended; 0 if no operation is pending. Thread-safe.
  double stalled_seconds() const;
  // The number of operations that have written something. Thread-safe.
  int64_t writes() const { return writes_.load(std::memory_order_relaxed); }
  // Path of the operation that started last. Thread-safe.
  std::string path() const;
  // Makes every later operation throw StorageError. Thread-safe.
  void abandon() { is_abandoned_ = true; }
  // Calls `action`, which accesses storage without this object, and times it as an operation on
  // `path`.
  void watch(const std::string& path, const std::function<void()>& action) const;

  std::unique_ptr<WritableFile> create(const std::string& path) override;
  std::unique_ptr<ReadableFile> open(const std::string& path) const override;
  bool exists(const std::string& path) const override;
  void make_directories(const std::string& path) override;
  std::vector<std::string> names_in(const std::string& directory) const override;
  void rename(const std::string& from, const std::string& to) override;
  void remove_all(const std::string& path) override;
  void sync_directory(const std::string& path) override;

 private:
  using Clock = std::chrono::steady_clock;

  // A pending operation, for the lifetime of the object.
  class Operation {
   public:
    Operation(const WatchedFiles& files, const std::string& path);
    ~Operation();
    Operation(const Operation&) = delete;
    Operation& operator=(const Operation&) = delete;

   private:
    const WatchedFiles& files_;
  };
  class Writer;
  class Reader;

  // Returns *this; throws StorageError after abandon().
  const WatchedFiles& checked(const std::string& path) const;

  FileSystem& files_;
  std::atomic<bool> is_abandoned_ = false;
  mutable std::atomic<int64_t> writes_ = 0;
  mutable std::mutex mutex_;  // guards the members below
  mutable int pending_ = 0;
  mutable Clock::time_point last_event_;
  mutable std::string path_;
};

}  // namespace ripieno::io
