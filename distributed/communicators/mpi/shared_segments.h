// SharedSegments: as much memory from every rank of one host as it asks for, which all of them see,
// and which is gone with the processes, however they end.
//
// Unlike a SharedWindow it is not limited by /dev/shm, and freeing it waits for nobody; but it is
// not there for ranks that do not see each other's /proc.
#pragma once

#include <mpi.h>
#include <sys/types.h>

#include <cstddef>
#include <memory>
#include <vector>

namespace ripieno::distributed {

// How another process of the host finds a file that has no name. A process number means another
// process in another PID namespace, so the file is recognized by device and inode.
struct FileOrigin {
  int process = 0;
  int descriptor = -1;
  dev_t device = 0;
  ino_t inode = 0;

  static FileOrigin of(int descriptor);
  // A descriptor of the file, or -1 where it cannot be opened or is another one.
  int open() const;
};

class SharedSegments {
 public:
  // `bytes`, more than 0, of zeros from every rank; null, on every rank, where one cannot have it.
  // A collective.
  static std::unique_ptr<SharedSegments> make(MPI_Comm communicator, std::size_t bytes);
  ~SharedSegments();
  SharedSegments(const SharedSegments&) = delete;
  SharedSegments& operator=(const SharedSegments&) = delete;

  std::byte* of(int rank) const { return segments_[static_cast<std::size_t>(rank)]; }

 private:
  explicit SharedSegments(std::size_t bytes) : bytes_(bytes) {}
  bool map(int file);

  std::size_t bytes_;
  std::vector<std::byte*> segments_;  // (size)
};

}  // namespace ripieno::distributed
