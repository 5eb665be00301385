// WatchedFiles: another FileSystem, which notes how long its storage has not answered, so that a
// caller in another thread can stop waiting for it. Not installed.
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
  // `files` outlives this; this outlives the files that it opens.
  explicit WatchedFiles(FileSystem& files) : files_(files) {}

  // Since an operation under way last began, or another ended; 0 where none is under way. Any
  // thread may ask.
  double silent_seconds() const;
  // The path of the operation that began last.
  std::string path() const;
  // From now on every operation throws StorageError.
  void give_up() { is_given_up_ = true; }
  // Calls `action`, which uses storage past this, as an operation on `path`.
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

  // One operation, from its construction to its end.
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

  // This, unless it was given up: then throws StorageError.
  const WatchedFiles& wanted(const std::string& path) const;

  FileSystem& files_;
  std::atomic<bool> is_given_up_ = false;
  mutable std::mutex mutex_;  // of what follows
  mutable int under_way_ = 0;
  mutable Clock::time_point last_sign_;
  mutable std::string path_;
};

}  // namespace ripieno::io
