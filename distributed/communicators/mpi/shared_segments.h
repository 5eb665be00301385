// SharedSegments: the same amount of memory from every rank of one host, accessible to all of them,
// and released when the processes end, however they end.
//
// Unlike a SharedWindow it is not limited by the size of /dev/shm, and its destruction is not a
// collective. But it is unavailable to ranks that cannot open each other's files in /proc.
#pragma once

#include <mpi.h>
#include <sys/types.h>

#include <cstddef>
#include <memory>
#include <vector>

namespace ripieno::distributed {

// How another process of the host finds an unnamed file. A process id denotes another process in
// another PID namespace, so the file is verified by device and inode.
struct FileOrigin {
  int process = 0;
  int descriptor = -1;
  dev_t device = 0;
  ino_t inode = 0;

  static FileOrigin of(int descriptor);
  // A new descriptor of the file, which the caller closes; -1 if it cannot be opened or is another
  // file.
  int open() const;
};

class SharedSegments {
 public:
  // `bytes`, at least 1, of zeros from every rank; null on every rank if any of them cannot
  // allocate or map the memory. A collective.
  static std::unique_ptr<SharedSegments> make(MPI_Comm communicator, std::size_t bytes);
  ~SharedSegments();
  SharedSegments(const SharedSegments&) = delete;
  SharedSegments& operator=(const SharedSegments&) = delete;

  // The memory of `rank`, mapped here: `bytes`.
  std::byte* of(int rank) const { return segments_[static_cast<std::size_t>(rank)]; }

 private:
  explicit SharedSegments(std::size_t bytes) : bytes_(bytes) {}
  bool map(int file);

  std::size_t bytes_;
  std::vector<std::byte*> segments_;  // (size)
};

}  // namespace ripieno::distributed
