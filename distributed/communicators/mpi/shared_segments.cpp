#include "ripieno/distributed/communicators/mpi/shared_segments.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ripieno/distributed/communicators/mpi/mpi_messages.h"

namespace ripieno::distributed {
namespace {

class File {
 public:
  explicit File(int descriptor) : descriptor_(descriptor) {}
  ~File() {
    if (descriptor_ >= 0) close(descriptor_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  int descriptor() const { return descriptor_; }

 private:
  int descriptor_;
};

}  // namespace

FileOrigin FileOrigin::of(int descriptor) {
  struct stat status = {};
  if (fstat(descriptor, &status) != 0) return {};
  return {getpid(), descriptor, status.st_dev, status.st_ino};
}

int FileOrigin::open() const {
  if (descriptor < 0) return -1;
  const auto path = fmt::format("/proc/{}/fd/{}", process, descriptor);
  // The link may lead to a FIFO or a terminal: so no O_CREAT, no blocking, no controlling terminal.
  const int opened = ::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  struct stat status = {};
  if (opened < 0) return -1;
  if (fstat(opened, &status) == 0 && status.st_dev == device && status.st_ino == inode) {
    return opened;
  }
  close(opened);
  return -1;
}

std::unique_ptr<SharedSegments> SharedSegments::make(MPI_Comm communicator, std::size_t bytes) {
  int rank = 0, size = 0;
  check_mpi(MPI_Comm_rank(communicator, &rank), "MPI_Comm_rank");
  check_mpi(MPI_Comm_size(communicator, &size), "MPI_Comm_size");
  const File mine(memfd_create("ripieno", MFD_CLOEXEC));
  const bool has_room = ftruncate(mine.descriptor(), static_cast<off_t>(bytes)) == 0;
  const FileOrigin origin = has_room ? FileOrigin::of(mine.descriptor()) : FileOrigin();
  std::vector<FileOrigin> origins(static_cast<std::size_t>(size));
  check_mpi(MPI_Allgather(&origin, sizeof origin, MPI_BYTE, origins.data(), sizeof origin, MPI_BYTE,
                          communicator),
            "MPI_Allgather");

  std::unique_ptr<SharedSegments> result(new SharedSegments(bytes));
  int whole = 1;
  for (int from = 0; from < size && whole; ++from) {
    const File theirs(from == rank ? dup(mine.descriptor())
                                   : origins[static_cast<std::size_t>(from)].open());
    whole = result->map(theirs.descriptor());
  }
  // Also a barrier: `mine` stays open until every rank has opened it.
  check_mpi(MPI_Allreduce(MPI_IN_PLACE, &whole, 1, MPI_INT, MPI_MIN, communicator),
            "MPI_Allreduce");
  return whole ? std::move(result) : nullptr;
}

SharedSegments::~SharedSegments() {
  for (std::byte* segment : segments_) munmap(segment, bytes_);
}

bool SharedSegments::map(int file) {
  void* memory = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, file, 0);
  if (memory == MAP_FAILED) return false;
  segments_.push_back(static_cast<std::byte*>(memory));
  return true;
}

}  // namespace ripieno::distributed
