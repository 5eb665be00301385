#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include "ripieno/core/error.h"
#include "ripieno/io/files/background_writer.h"
#include "ripieno/io/files/direct_output.h"
#include "ripieno/io/files/file_system.h"
#include "ripieno/io/files/posix_error.h"

namespace ripieno::io {
namespace {

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

// Small files are written directly by append(). For large ones a background thread and direct I/O
// are faster.
class PosixWritableFile final : public WritableFile {
 public:
  explicit PosixWritableFile(const std::string& path)
      : path_(path), file_(create(path)), output_(file_.get(), path) {}

  void reserve(int64_t bytes) override {
    attempt([&] {
      needed_bytes_ = bytes;
      // Free space is checked, not allocated: blocks from fallocate() have to be marked as written
      // later, which slows down every direct write.
      struct statvfs space;
      if (::fstatvfs(file_.get(), &space) == 0 && counts_blocks(space) &&
          static_cast<double>(space.f_bavail) * static_cast<double>(space.f_frsize) <
              static_cast<double>(bytes))
        refuse("write", path_, ENOSPC, bytes);
      if (bytes < kLargeBytes) return;
      output_.bypass_page_cache();
      background_ = std::make_unique<BackgroundWriter>(output_, bytes);
    });
  }

  void append(std::span<const std::byte> bytes) override {
    attempt([&] {
      if (background_ != nullptr) return background_->append(bytes);
      output_.write(bytes, needed_bytes_);
    });
  }

  // fdatasync() makes the file's size durable, but not its timestamps.
  void sync() override {
    attempt([&] {
      if (background_ != nullptr) background_->flush();
      if (::fdatasync(file_.get()) != 0) refuse("sync", path_, errno, needed_bytes_);
    });
  }

 private:
  static constexpr int64_t kLargeBytes = 8 << 20;

  static int create(const std::string& path) {
    require(::unlink(path.c_str()) == 0 || errno == ENOENT, "replace", path);
    const int number = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    require(number >= 0, "create", path);
    return number;
  }

  template <typename Action>
  void attempt(Action action) {
    if (is_lost_)
      throw StorageError("cannot write " + path_ +
                         ": an earlier write of it failed; write the file again from the start");
    is_lost_ = true;
    action();
    is_lost_ = false;
  }

  std::string path_;
  Descriptor file_;
  DirectOutput output_;
  std::unique_ptr<BackgroundWriter> background_;
  int64_t needed_bytes_ = 0;
  bool is_lost_ = false;
};

// ESTALE: the file was replaced on a network file system; opening it again finds the new file.
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
    if (!S_ISREG(status.st_mode))
      throw StorageError("cannot open " + path + ": not a regular file");
    size_ = status.st_size;
  }

  int64_t size() const override { return size_; }

  void read(int64_t offset, std::span<std::byte> into) const override {
    while (!into.empty()) {
      const auto got = ::pread(file_.get(), into.data(), into.size(), offset);
      if (got < 0 && errno == EINTR) continue;
      require(got >= 0, "read", path_);
      if (got == 0)
        throw DataError(fmt::format("{} ends at byte {}: it is truncated", path_, offset));
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
    if (::stat(path.c_str(), &status) == 0) return true;
    require(errno == ENOENT || errno == ENOTDIR, "stat", path);
    return false;
  }

  void make_directories(const std::string& path) override {
    std::error_code error;
    std::filesystem::create_directories(path, error);
    if (error) refuse("create directory", path, error.value());
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
    struct stat status;
    const bool exists = ::stat(to.c_str(), &status) == 0;
    if (exists && !S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode))
      throw StorageError(to +
                         " is a device, a pipe or a socket, which is never replaced by a file");
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
    // EINVAL: the file system (some network and FUSE ones) cannot sync a directory.
    require(::fsync(directory.get()) == 0 || errno == EINVAL, "sync", path);
    // After an XFS shutdown, fsync of a directory succeeds although nothing is written; fstat then
    // reports the error.
    struct stat status;
    require(::fstat(directory.get(), &status) == 0, "sync", path);
  }
};

}  // namespace

// Never destroyed: a thread blocked in storage may still use it while the process exits.
FileSystem& local_files() {
  static auto* const files = new PosixFileSystem;
  return *files;
}

}  // namespace ripieno::io
