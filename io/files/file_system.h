// FileSystem: the interface for all file operations of io. Tests replace it to inject failures and
// power cuts; programs use local_files().
//
// Paths use '/' as separator. Every operation throws StorageError, which names the path, if the
// system reports an error. A FileSystem is thread-safe; an open file may be used by one thread at a
// time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace ripieno::io {

// A new file, written sequentially from its beginning. The destructor closes it without syncing.
class WritableFile {
 public:
  virtual ~WritableFile() = default;
  // Announces the final size of the file, before the first append(): throws StorageError if the
  // disk has less free space, and selects the fastest way to write a large file. Allocates nothing.
  virtual void reserve(int64_t bytes) = 0;
  // Bytes may still be buffered when it returns.
  virtual void append(std::span<const std::byte> bytes) = 0;
  // Blocks until all appended bytes survive a power cut. After any failure, of append() too, the
  // file must be written again from the start: the system discards bytes that it could not write,
  // so a second sync could succeed without having written them.
  virtual void sync() = 0;
};

class ReadableFile {
 public:
  virtual ~ReadableFile() = default;
  // In bytes, at the time the file was opened.
  virtual int64_t size() const = 0;
  // Fills `into` from byte `offset`. Throws DataError if the file ends before `into` is full.
  virtual void read(int64_t offset, std::span<std::byte> into) const = 0;
};

class FileSystem {
 public:
  virtual ~FileSystem() = default;

  // Creates a new, empty file. An existing file of that name is unlinked first: readers that have
  // it open keep the old content.
  virtual std::unique_ptr<WritableFile> create(const std::string& path) = 0;
  virtual std::unique_ptr<ReadableFile> open(const std::string& path) const = 0;
  // False only if the system reports that the path does not exist; any other error throws.
  virtual bool exists(const std::string& path) const = 0;

  // Creates the directory and its missing parents; does nothing if it exists.
  virtual void make_directories(const std::string& path) = 0;
  // Names of the files and directories in `directory`, sorted.
  virtual std::vector<std::string> names_in(const std::string& directory) const = 0;

  // Atomic. Replaces a file or an empty directory at `to`; throws if `to` is a directory that is
  // not empty. Durable only after sync_directory() of the parent directories.
  virtual void rename(const std::string& from, const std::string& to) = 0;
  // Removes a file, or a directory with everything below it. Does nothing if it does not exist.
  virtual void remove_all(const std::string& path) = 0;
  // Blocks until the directory's entries (names created, renamed or removed in it) survive a power
  // cut.
  virtual void sync_directory(const std::string& path) = 0;
};

// The file systems mounted on this host, including shared storage. Lives as long as the process.
FileSystem& local_files();

// Reads or writes a small file as a whole. write_file() syncs the file, but not its directory.
std::string read_file(const FileSystem& files, const std::string& path);
void write_file(FileSystem& files, const std::string& path, const std::string& text);

// The directory part of a path: "a/b" for "a/b/c", "." for "c", "/" for "/a".
std::string parent_of(const std::string& path);

}  // namespace ripieno::io
