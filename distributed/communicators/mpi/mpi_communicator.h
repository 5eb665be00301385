// MpiCommunicator: base of the communicators over MPI: owns a duplicate of an MPI_Comm, with the
// rank and size in it and on this host.
#pragma once

#include <mpi.h>

#include <memory>

#include "ripieno/distributed/communicators/host_communicator.h"

namespace ripieno::distributed {

class MpiCommunicator : public HostCommunicator {
 public:
  // Duplicates `communicator`. A collective, and so is the destruction.
  explicit MpiCommunicator(MPI_Comm communicator);
  ~MpiCommunicator() override;
  MpiCommunicator(const MpiCommunicator&) = delete;
  MpiCommunicator& operator=(const MpiCommunicator&) = delete;

  int rank() const final { return rank_; }
  int size() const final { return size_; }
  int local_rank() const final { return local_rank_; }
  int local_size() const final { return local_size_; }
  std::unique_ptr<Communicator> duplicate() final;
  std::unique_ptr<Communicator> split(int color, int key) final;
  void failed() override;

 protected:
  MPI_Comm communicator() const { return communicator_; }

 private:
  // A communicator of the derived class over `communicator`, for duplicate().
  virtual std::unique_ptr<Communicator> create(MPI_Comm communicator) const = 0;

  MPI_Comm communicator_ = MPI_COMM_NULL;
  int rank_ = 0;
  int size_ = 1;
  int local_rank_ = 0;
  int local_size_ = 1;
};

// Communicates through shared memory. All ranks must be on one host. These functions are
// collectives.
std::unique_ptr<Communicator> mpi_window(MPI_Comm communicator);
// Communicates by messages.
std::unique_ptr<Communicator> mpi_point_to_point(MPI_Comm communicator);
// As above, with messages as small as for `ranks` ranks (message_plan.h); for tests.
std::unique_ptr<Communicator> mpi_point_to_point_sized_for(MPI_Comm communicator, int ranks);
// Communicates through shared memory within a host, and by messages between ranks of different
// hosts with the same local rank. Ranks [0, ranks_per_host) are on the first host, the next as many
// on the second, and so on. Throws Error unless the world size is a multiple of ranks_per_host.
std::unique_ptr<Communicator> mpi_hosts(MPI_Comm communicator, int ranks_per_host);
// The number of ranks on each host if it is the same on all, and the ranks of a host are
// consecutive; else 0. A collective.
int ranks_per_host(MPI_Comm communicator);

}  // namespace ripieno::distributed
