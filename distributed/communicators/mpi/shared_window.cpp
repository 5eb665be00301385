#include "ripieno/distributed/communicators/mpi/shared_window.h"

#include <cstring>

#include "ripieno/distributed/communicators/mpi/mpi_messages.h"

namespace ripieno::distributed {

SharedWindow::SharedWindow(MPI_Comm communicator, std::size_t bytes) {
  std::byte* mine = nullptr;
  check_mpi(MPI_Win_allocate_shared(static_cast<MPI_Aint>(bytes), 1, MPI_INFO_NULL, communicator,
                                    &mine, &window_),
            "MPI_Win_allocate_shared");
  // Loads and stores from here on, ordered by our own barrier.
  check_mpi(MPI_Win_lock_all(MPI_MODE_NOCHECK, window_), "MPI_Win_lock_all");
  std::memset(mine, 0, bytes);
  int size = 0;
  check_mpi(MPI_Comm_size(communicator, &size), "MPI_Comm_size");
  for (int rank = 0; rank < size; ++rank) {
    MPI_Aint segment_bytes = 0;
    int unit = 0;
    std::byte* segment = nullptr;
    check_mpi(MPI_Win_shared_query(window_, rank, &segment_bytes, &unit, &segment),
              "MPI_Win_shared_query");
    segments_.push_back(segment);
  }
  check_mpi(MPI_Barrier(communicator), "MPI_Barrier");
}

SharedWindow::~SharedWindow() {
  if (!peers_follow()) return;
  MPI_Win_unlock_all(window_);
  MPI_Win_free(&window_);
}

}  // namespace ripieno::distributed
