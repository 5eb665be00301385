// SharedWindow: memory of the same size from every rank of one host, which all of them see.
#pragma once

#include <mpi.h>

#include <cstddef>
#include <vector>

namespace ripieno::distributed {

// Constructing and destroying it are collectives of `communicator`, which outlives it. The memory
// is zeros at first.
class SharedWindow {
 public:
  SharedWindow(MPI_Comm communicator, std::size_t bytes);
  ~SharedWindow();
  SharedWindow(const SharedWindow&) = delete;
  SharedWindow& operator=(const SharedWindow&) = delete;

  std::byte* of(int rank) const { return segments_[static_cast<std::size_t>(rank)]; }

 private:
  MPI_Comm communicator_;
  MPI_Win window_ = MPI_WIN_NULL;
  std::vector<std::byte*> segments_;  // (size)
};

}  // namespace ripieno::distributed
