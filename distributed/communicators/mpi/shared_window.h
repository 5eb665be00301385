// SharedWindow: an MPI shared-memory window: the same amount of memory from every rank of one host,
// accessible to all of them.
#pragma once

#include <mpi.h>

#include <cstddef>
#include <vector>

namespace ripieno::distributed {

// Construction and destruction are collectives of `communicator`, which must outlive it. The memory
// is initially zeros. The constructor throws ConfigurationError if MPI cannot allocate it,
// usually because /dev/shm is too small.
class SharedWindow {
 public:
  SharedWindow(MPI_Comm communicator, std::size_t bytes);
  ~SharedWindow();
  SharedWindow(const SharedWindow&) = delete;
  SharedWindow& operator=(const SharedWindow&) = delete;

  // The memory of `rank`, mapped here.
  std::byte* of(int rank) const { return segments_[static_cast<std::size_t>(rank)]; }

 private:
  MPI_Comm communicator_;
  MPI_Win window_ = MPI_WIN_NULL;
  std::vector<std::byte*> segments_;  // (size)
};

}  // namespace ripieno::distributed
