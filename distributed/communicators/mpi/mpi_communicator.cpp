#include "ripieno/distributed/communicators/mpi/mpi_communicator.h"

#include "ripieno/distributed/communicators/mpi/mpi.h"
#include "ripieno/distributed/communicators/mpi/mpi_messages.h"

namespace ripieno::distributed {
namespace {

void require_threads() {
  int provided = MPI_THREAD_SINGLE;
  check_mpi(MPI_Query_thread(&provided), "MPI_Query_thread");
  if (provided == MPI_THREAD_MULTIPLE) return;
  throw ConfigurationError(
      "duplicate: MPI was initialized without MPI_THREAD_MULTIPLE; request it from "
      "MPI_Init_thread, or set DataParallelOptions::overlap to false");
}

struct Position {
  int rank = 0;
  int size = 1;
  int first = 0;  // rank in the whole group of the first rank here
};

Position position_in(MPI_Comm communicator) {
  Position result;
  check_mpi(MPI_Comm_rank(communicator, &result.rank), "MPI_Comm_rank");
  check_mpi(MPI_Comm_size(communicator, &result.size), "MPI_Comm_size");
  return result;
}

// Position among the ranks of this host. A collective.
Position position_on_host(MPI_Comm communicator) {
  MPI_Comm host = MPI_COMM_NULL;
  const int order = position_in(communicator).rank;
  check_mpi(MPI_Comm_split_type(communicator, MPI_COMM_TYPE_SHARED, order, MPI_INFO_NULL, &host),
            "MPI_Comm_split_type");
  Position result = position_in(host);
  result.first = order;
  check_mpi(MPI_Bcast(&result.first, 1, MPI_INT, 0, host), "MPI_Bcast");
  check_mpi(MPI_Comm_free(&host), "MPI_Comm_free");
  return result;
}

}  // namespace

MpiCommunicator::MpiCommunicator(MPI_Comm communicator) {
  check_mpi(MPI_Comm_dup(communicator, &communicator_), "MPI_Comm_dup");
  MPI_Comm_set_errhandler(communicator_, MPI_ERRORS_RETURN);
  const Position in_group = position_in(communicator_), on_host = position_on_host(communicator_);
  rank_ = in_group.rank;
  size_ = in_group.size;
  local_rank_ = on_host.rank;
  local_size_ = on_host.size;
}

MpiCommunicator::~MpiCommunicator() {
  if (wait_for_peers(communicator_, timeout())) MPI_Comm_free(&communicator_);
}

void MpiCommunicator::failed() { note_failure(); }

std::unique_ptr<Communicator> MpiCommunicator::duplicate() {
  require_threads();
  auto result = named({.kind = Collective::Kind::duplicate}, [&] { return create(communicator_); });
  trace_child(*result, 0);
  result->set_timeout(timeout());
  return result;
}

std::unique_ptr<Communicator> MpiCommunicator::split(int color, int key) {
  require_color(color);
  MPI_Comm group = MPI_COMM_NULL;
  auto result = named({.kind = Collective::Kind::split}, [&] {
    check_mpi(MPI_Comm_split(communicator_, color, key, &group), "MPI_Comm_split");
    return mpi(group);
  });
  trace_child(*result, color + 1);
  result->set_timeout(timeout());
  check_mpi(MPI_Comm_free(&group), "MPI_Comm_free");
  return result;
}

std::unique_ptr<Communicator> mpi(MPI_Comm communicator) {
  const int size = position_in(communicator).size;
  if (size == 1) return alone();
  const int per_host = ranks_per_host(communicator);
  if (per_host == size) return mpi_window(communicator);
  return per_host > 1 ? mpi_hosts(communicator, per_host) : mpi_point_to_point(communicator);
}

int ranks_per_host(MPI_Comm communicator) {
  const Position in_group = position_in(communicator), on_host = position_on_host(communicator);
  const bool in_order =
      on_host.first + on_host.rank == in_group.rank && on_host.first % on_host.size == 0;
  // The minimum, and the negated maximum.
  int sizes[] = {in_order ? on_host.size : 0, in_order ? -on_host.size : 0};
  check_mpi(MPI_Allreduce(MPI_IN_PLACE, sizes, 2, MPI_INT, MPI_MIN, communicator), "MPI_Allreduce");
  return sizes[0] == -sizes[1] ? sizes[0] : 0;
}

}  // namespace ripieno::distributed
