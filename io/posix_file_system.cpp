#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "ripieno/core/error.h"
#include "ripieno/io/file_system.h"

namespace ripieno::io {
namespace {

std::string readable(double bytes) {
  const bool is_large = bytes >= 1 << 30;
  return fmt::format("{:.1f} {}", bytes / (is_large ? 1 << 30 : 1 << 20), is_large ? "GiB" : "MiB");
}

std::string remedy(int error, const std::string& path, int64_t needed_bytes) {
  struct statvfs space;
  if (error == ENOSPC || error == EDQUOT) {
    const std::string needed =
        needed_bytes > 0 ? readable(static_cast<double>(needed_bytes)) + " needed" : "none left";
    if (error == EDQUOT || ::statvfs(parent_of(path).c_str(), &space) != 0)
      return "; free some space: " + needed;
    const double free = static_cast<double>(space.f_bavail) * static_cast<double>(space.f_frsize);
    return fmt::format("; free some space: {}, {} free", needed, readable(free));
  }
  if (error == EACCES || error == EPERM || error == EROFS)
    return "; make it writable, or choose another directory";
  return "";
}

[[noreturn]] void refuse(const char* operation, const std::string& path, int error,
                         int64_t needed_bytes = 0) {
  throw StorageError(fmt::format("cannot {} {}: {}{}", operation, path, std::strerror(error),
                                 remedy(error, path, needed_bytes)));
}

void require(bool succeeded, const char* operation, const std::string& path) {
  if (!succeeded) refuse(operation, path, errno);
}

class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return number_; }

 private:
  int number_;
};

class PosixWritableFile final : public WritableFile {
 public:
  explicit PosixWritableFile(const std::string& path) : path_(path), file_(create(path)) {}

  void reserve(int64_t bytes) override {
    needed_bytes_ = bytes;
    if (bytes == 0 || ::fallocate(file_.get(), FALLOC_FL_KEEP_SIZE, 0, bytes) == 0) return;
    if (errno == ENOSPC || errno == EDQUOT) refuse("write", path_, errno, bytes);
    // Others: the file system reserves nothing, and says so when it is full.
  }

  void append(std::span<const std::byte> bytes) override {
    while (!bytes.empty()) {
      const auto written = ::write(file_.get(), bytes.data(), bytes.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) refuse("write", path_, errno, needed_bytes_);
      bytes = bytes.subspan(static_cast<std::size_t>(written));
    }
  }

  void sync() override {
    if (::fsync(file_.get()) != 0) refuse("sync", path_, errno, needed_bytes_);
  }

 private:
  static int create(const std::string& path) {
    require(::unlink(path.c_str()) == 0 || errno == ENOENT, "replace", path);
    const int number = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    require(number >= 0, "create", path);
    return number;
  }

  std::string path_;
  Descriptor file_;
  int64_t needed_bytes_ = 0;
};

// ESTALE: the file was replaced on a network file system; opening it again finds the new one.
int open_for_reading(const std::string& path) {
  for (int attempt = 0;; ++attempt) {
    const int number = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (number >= 0 || errno != ESTALE || attempt == 10) return number;
    ::usleep(100'000);
  }
}

class PosixReadableFile final : public ReadableFile {
 public:
  explicit PosixReadableFile(const std::string& path) : path_(path), file_(open_for_reading(path)) {
    struct stat status;
    require(file_.get() >= 0 && ::fstat(file_.get(), &status) == 0, "open", path);
    if (!S_ISREG(status.st_mode)) throw StorageError("cannot open " + path + ": it is not a file");
    size_ = status.st_size;
  }

  int64_t size() const override { return size_; }

  void read(int64_t offset, std::span<std::byte> into) const override {
    while (!into.empty()) {
      const auto got = ::pread(file_.get(), into.data(), into.size(), offset);
      if (got < 0 && errno == EINTR) continue;
      require(got >= 0, "read", path_);
      if (got == 0)
        throw DataError(fmt::format("{} ends at byte {}: it is cut off", path_, offset));
      into = into.subspan(static_cast<std::size_t>(got));
      offset += got;
    }
  }

 private:
  std::string path_;
  Descriptor file_;
  int64_t size_ = 0;
};

class PosixFileSystem final : public FileSystem {
 public:
  std::unique_ptr<WritableFile> create(const std::string& path) override {
    return std::make_unique<PosixWritableFile>(path);
  }
  std::unique_ptr<ReadableFile> open(const std::string& path) const override {
    return std::make_unique<PosixReadableFile>(path);
  }
  bool exists(const std::string& path) const override {
    struct stat status;
    return ::stat(path.c_str(), &status) == 0;
  }

  void make_directories(const std::string& path) override {
    std::error_code error;
    std::filesystem::create_directories(path, error);
    if (error) refuse("make directory", path, error.value());
  }

  std::vector<std::string> names_in(const std::string& directory) const override {
    std::error_code error;
    std::vector<std::string> names;
    for (std::filesystem::directory_iterator it(directory, error), end; !error && it != end;
         it.increment(error))
      names.push_back(it->path().filename().string());
    if (error) refuse("list", directory, error.value());
    std::sort(names.begin(), names.end());
    return names;
  }

  void rename(const std::string& from, const std::string& to) override {
    if (::rename(from.c_str(), to.c_str()) != 0) refuse("rename", from + " to " + to, errno);
  }

  void remove_all(const std::string& path) override {
    std::error_code error;
    std::filesystem::remove_all(path, error);
    if (error) refuse("remove", path, error.value());
  }

  void sync_directory(const std::string& path) override {
    const Descriptor directory(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    require(directory.get() >= 0, "open", path);
    // EINVAL: a file system (some network and FUSE ones) that has no such thing.
    require(::fsync(directory.get()) == 0 || errno == EINVAL, "sync", path);
  }
};

}  // namespace

FileSystem& local_files() {
  static PosixFileSystem files;
  return files;
}

}  // namespace ripieno::io
