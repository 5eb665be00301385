#include "ripieno/io/files/watched_files.h"

#include <utility>

#include "ripieno/core/error.h"

namespace ripieno::io {

WatchedFiles::Operation::Operation(const WatchedFiles& files, const std::string& path)
    : files_(files) {
  const std::lock_guard lock(files.mutex_);
  ++files.pending_;
  files.last_event_ = Clock::now();
  files.path_ = path;
}

WatchedFiles::Operation::~Operation() {
  const std::lock_guard lock(files_.mutex_);
  --files_.pending_;
  files_.last_event_ = Clock::now();
}

class WatchedFiles::Writer final : public WritableFile {
 public:
  Writer(const WatchedFiles& files, const std::string& path, std::unique_ptr<WritableFile> file)
      : files_(files), path_(path), file_(std::move(file)) {}
  // Closing a file may write it.
  ~Writer() override {
    const Operation operation(files_, path_);
    file_.reset();
  }
  void reserve(int64_t bytes) override {
    const Operation operation(files_.checked(path_), path_);
    file_->reserve(bytes);
  }
  void append(std::span<const std::byte> bytes) override {
    const Operation operation(files_.checked(path_), path_);
    file_->append(bytes);
    ++files_.writes_;
  }
  void sync() override {
    const Operation operation(files_.checked(path_), path_);
    file_->sync();
    ++files_.writes_;
  }

 private:
  const WatchedFiles& files_;
  const std::string path_;
  std::unique_ptr<WritableFile> file_;
};

class WatchedFiles::Reader final : public ReadableFile {
 public:
  Reader(const WatchedFiles& files, const std::string& path, std::unique_ptr<ReadableFile> file)
      : files_(files), path_(path), file_(std::move(file)) {}
  int64_t size() const override { return file_->size(); }
  void read(int64_t offset, std::span<std::byte> into) const override {
    const Operation operation(files_.checked(path_), path_);
    file_->read(offset, into);
  }

 private:
  const WatchedFiles& files_;
  const std::string path_;
  std::unique_ptr<ReadableFile> file_;
};

double WatchedFiles::stalled_seconds() const {
  const std::lock_guard lock(mutex_);
  if (pending_ == 0) return 0;
  return std::chrono::duration<double>(Clock::now() - last_event_).count();
}

std::string WatchedFiles::path() const {
  const std::lock_guard lock(mutex_);
  return path_;
}

const WatchedFiles& WatchedFiles::checked(const std::string& path) const {
  if (is_abandoned_)
    throw StorageError(path + ": operation abandoned because storage did not respond");
  return *this;
}

void WatchedFiles::watch(const std::string& path, const std::function<void()>& action) const {
  const Operation operation(checked(path), path);
  action();
}

std::unique_ptr<WritableFile> WatchedFiles::create(const std::string& path) {
  const Operation operation(checked(path), path);
  auto file = std::make_unique<Writer>(*this, path, files_.create(path));
  ++writes_;
  return file;
}

std::unique_ptr<ReadableFile> WatchedFiles::open(const std::string& path) const {
  const Operation operation(checked(path), path);
  return std::make_unique<Reader>(*this, path, files_.open(path));
}

bool WatchedFiles::exists(const std::string& path) const {
  const Operation operation(checked(path), path);
  return files_.exists(path);
}

void WatchedFiles::make_directories(const std::string& path) {
  const Operation operation(checked(path), path);
  files_.make_directories(path);
}

std::vector<std::string> WatchedFiles::names_in(const std::string& directory) const {
  const Operation operation(checked(directory), directory);
  return files_.names_in(directory);
}

void WatchedFiles::rename(const std::string& from, const std::string& to) {
  const Operation operation(checked(from), from);
  files_.rename(from, to);
  ++writes_;
}

void WatchedFiles::remove_all(const std::string& path) {
  const Operation operation(checked(path), path);
  files_.remove_all(path);
  ++writes_;
}

void WatchedFiles::sync_directory(const std::string& path) {
  const Operation operation(checked(path), path);
  files_.sync_directory(path);
}

}  // namespace ripieno::io
