// FileSystem: the few file operations that io builds on, so that a test can cut the power between
// them.
//
// Paths are separated by '/'. Every operation throws StorageError, which names the path, where
// storage refuses. Any number of threads may call it; a file is used by one thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace ripieno::io {

// A new file, written from its beginning to its end. The destructor closes it.
class WritableFile {
 public:
  virtual ~WritableFile() = default;
  // Announces a file of this many bytes: a disk without room for it is met before the first byte is
  // written, and large files are written the fastest way.
  virtual void reserve(int64_t bytes) = 0;
  virtual void append(std::span<const std::byte> bytes) = 0;
  // Once it returns, the bytes would survive a power cut. After a failure the file is lost: the
  // system forgets what it could not write, so a second sync would succeed and mean nothing.
  virtual void sync() = 0;
};

class ReadableFile {
 public:
  virtual ~ReadableFile() = default;
  virtual int64_t size() const = 0;
  // Throws DataError where the file ends before `into` is full.
  virtual void read(int64_t offset, std::span<std::byte> into) const = 0;
};

class FileSystem {
 public:
  virtual ~FileSystem() = default;

  // Takes the place of a file of that name: whoever still has the old one open keeps it.
  virtual std::unique_ptr<WritableFile> create(const std::string& path) = 0;
  virtual std::unique_ptr<ReadableFile> open(const std::string& path) const = 0;
  virtual bool exists(const std::string& path) const = 0;

  // With the directories above it; those that exist are left as they are.
  virtual void make_directories(const std::string& path) = 0;
  // Files and directories, sorted.
  virtual std::vector<std::string> names_in(const std::string& directory) const = 0;

  // `to` must not be a directory that holds something. Atomic, durable only after sync_directory().
  virtual void rename(const std::string& from, const std::string& to) = 0;
  // With all below it; nothing where it does not exist.
  virtual void remove_all(const std::string& path) = 0;
  // Once it returns, the directory's list of names would survive a power cut.
  virtual void sync_directory(const std::string& path) = 0;
};

// The files of this machine, shared storage among them. It lives as long as the process.
FileSystem& local_files();

// A small file, whole. write_file() syncs it.
std::string read_file(const FileSystem& files, const std::string& path);
void write_file(FileSystem& files, const std::string& path, const std::string& text);

// "a/b" of "a/b/c", "." of "c".
std::string parent_of(const std::string& path);

}  // namespace ripieno::io
