#include "ripieno/io/checkpoint/verified_read.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <limits>
#include <memory>
#include <mutex>
#include <system_error>
#include <thread>

#include "ripieno/core/error.h"
#include "ripieno/io/files/hash.h"

namespace ripieno::io {
namespace {

constexpr int64_t kChunkBytes = 1 << 20;      // bytes per read: the chunk stays cached for the hash
constexpr int64_t kTaskBytes = 16 << 20;      // bytes per task of a thread
constexpr int64_t kBytesPerThread = 8 << 20;  // below this an additional thread does not pay off

// Opens a file and checks that it has the size given in the manifest.
std::unique_ptr<ReadableFile> open_whole(const FileSystem& files, const std::string& path,
                                         const SavedFile& saved) {
  auto file = files.open(path);
  if (file->size() != saved.bytes)
    throw DataError(fmt::format("{} is damaged: it has {} bytes, the manifest requires {}", path,
                                file->size(), saved.bytes));
  return file;
}

// A unit of work for one thread: some pieces of a file, or the bytes outside all pieces.
struct Task {
  const FileRead* read;
  std::span<const PieceRead> pieces;
  bool is_outside = false;
};

void add_tasks(const FileRead& read, std::vector<Task>& tasks) {
  const std::span all(read.pieces);
  for (std::size_t begin = 0; begin < all.size();) {
    std::size_t end = begin;
    for (int64_t bytes = 0; end < all.size() && bytes < kTaskBytes; ++end)
      bytes += all[end].piece->bytes;
    tasks.push_back({&read, all.subspan(begin, end - begin)});
    begin = end;
  }
  // Last, because most of these bytes are then already in the page cache.
  if (read.verifies_outside) tasks.push_back({&read, {}, true});
}

int64_t bytes_of(const std::vector<Task>& tasks) {
  int64_t bytes = 0;
  for (const Task& task : tasks) {
    for (const PieceRead& read : task.pieces) bytes += read.piece->bytes;
  }
  return bytes;
}

class Reader {
 public:
  Reader(const FileSystem& files, const std::string& directory, std::vector<Task> tasks,
         const ReadOptions& options)
      : files_(files), directory_(directory), tasks_(std::move(tasks)), options_(options) {}

  int64_t run() {
    {
      std::vector<std::jthread> threads;
      try {
        for (int64_t i = 1; i < thread_count(); ++i) threads.emplace_back([this] { work(); });
      } catch (const std::system_error&) {  // cannot start another thread: fewer work as well
      }
      work();
    }
    if (failure_ != nullptr) std::rethrow_exception(failure_);
    return done_;
  }

 private:
  int64_t thread_count() const {
    const auto most = std::ssize(tasks_);
    if (options_.threads > 0) return std::min<int64_t>(options_.threads, most);
    const int64_t few = std::clamp<int64_t>(std::thread::hardware_concurrency(), 4, 8);
    return std::min({few, most, bytes_of(tasks_) / kBytesPerThread + 1});
  }

  void work() {
    const auto buffer = std::make_unique_for_overwrite<std::byte[]>(kChunkBytes);
    for (std::size_t next = next_++; next < first_failure_ && next < tasks_.size();
         next = next_++) {
      try {
        run(tasks_[next], std::span(buffer.get(), kChunkBytes));
      } catch (...) {
        const std::lock_guard lock(mutex_);
        if (next >= first_failure_) continue;
        first_failure_ = next;
        failure_ = std::current_exception();
      }
    }
  }

  void run(const Task& task, std::span<std::byte> buffer) {
    const SavedFile& saved = *task.read->file;
    const std::string path = directory_ + "/" + saved.name;
    const auto file = open_whole(files_, path, saved);
    if (task.is_outside) return verify_outside(*file, path, *task.read, buffer);
    for (const PieceRead& read : task.pieces) this->read(*file, path, read, buffer);
  }

  void read(const ReadableFile& file, const std::string& path, const PieceRead& read,
            std::span<std::byte> buffer) {
    const Piece& piece = *read.piece;
    Hash hash;
    for (int64_t at = 0; at < piece.bytes;) {
      const auto size = static_cast<std::size_t>(std::min(piece.bytes - at, kChunkBytes));
      const auto chunk =
          read.into != nullptr ? std::span(read.into + at, size) : buffer.subspan(0, size);
      file.read(piece.file_offset + at, chunk);
      hash.add(chunk);
      if (read.take) read.take(at, chunk);
      at += static_cast<int64_t>(size);
      count(static_cast<int64_t>(size));
    }
    if (hash.value() != piece.hash)
      throw DataError(fmt::format("{} is damaged: bytes {} to {} ({}) do not match their checksum",
                                  path, piece.file_offset, piece.file_offset + piece.bytes - 1,
                                  described(*read.tensor)));
  }

  void verify_outside(const ReadableFile& file, const std::string& path, const FileRead& read,
                      std::span<std::byte> buffer) {
    Hash outside;
    const auto add_until = [&](int64_t begin, int64_t end) {
      while (begin < end) {
        const auto size = std::min(end - begin, kChunkBytes);
        const auto chunk = buffer.subspan(0, static_cast<std::size_t>(size));
        file.read(begin, chunk);
        outside.add(chunk);
        begin += size;
        count(size);
      }
    };
    int64_t seen = 0;
    for (const Piece* piece : read.all) {
      add_until(seen, piece->file_offset);
      seen = piece->file_offset + piece->bytes;
    }
    add_until(seen, read.file->bytes);
    if (outside.value() != read.file->outside_hash)
      throw DataError(fmt::format(
          "{} is damaged: its metadata (all bytes outside the tensors) does not match its checksum",
          path));
  }

  void count(int64_t bytes) {
    const int64_t done = done_ += bytes;
    if (!options_.progress) return;
    const std::lock_guard lock(mutex_);
    reported_ = std::max(reported_, done);
    options_.progress(reported_);
  }

  const FileSystem& files_;
  const std::string& directory_;
  const std::vector<Task> tasks_;
  const ReadOptions& options_;
  std::atomic<std::size_t> next_ = 0;
  std::atomic<std::size_t> first_failure_ = std::numeric_limits<std::size_t>::max();
  std::atomic<int64_t> done_ = 0;
  std::mutex mutex_;
  int64_t reported_ = 0;
  std::exception_ptr failure_;
};

}  // namespace

int64_t read_verified(const FileSystem& files, const std::string& directory,
                      const std::vector<FileRead>& reads, const ReadOptions& options) {
  std::vector<Task> tasks;
  for (const FileRead& read : reads) add_tasks(read, tasks);
  return Reader(files, directory, std::move(tasks), options).run();
}

}  // namespace ripieno::io
