#include "ripieno/distributed/communicators/mpi/shared_window.h"

#include <fmt/format.h>
#include <sys/statvfs.h>

#include <cstring>

#include "ripieno/distributed/communicators/communicator.h"
#include "ripieno/distributed/communicators/mpi/mpi_messages.h"

namespace ripieno::distributed {
namespace {

double free_mebibytes(const char* path) {
  struct statvfs status = {};
  if (statvfs(path, &status) != 0) return 0;
  return static_cast<double>(status.f_bavail) * static_cast<double>(status.f_frsize) / (1 << 20);
}

}  // namespace

SharedWindow::SharedWindow(MPI_Comm communicator, std::size_t bytes) : communicator_(communicator) {
  std::byte* mine = nullptr;
  if (MPI_Win_allocate_shared(static_cast<MPI_Aint>(bytes), 1, MPI_INFO_NULL, communicator, &mine,
                              &window_) != MPI_SUCCESS) {
    throw ConfigurationError(
        fmt::format("MPI could not allocate shared memory: each rank of this host requires {:.1f} "
                    "MiB, /dev/shm has {:.1f} MiB free; enlarge it (docker run --shm-size=1g)",
                    static_cast<double>(bytes) / (1 << 20), free_mebibytes("/dev/shm")));
  }
  // The ranks use plain loads and stores, ordered by ProcessBarrier.
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
  if (!wait_for_peers(communicator_, Communicator::kDefaultTimeout)) return;
  MPI_Win_unlock_all(window_);
  MPI_Win_free(&window_);
}

}  // namespace ripieno::distributed
