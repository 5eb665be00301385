// MpiCommunicator: what both communicators over MPI share: an MPI_Comm of their own, and where its
// ranks are.
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
  // A communicator of the same kind.
  virtual std::unique_ptr<Communicator> joined(MPI_Comm communicator) const = 0;

  MPI_Comm communicator_ = MPI_COMM_NULL;
  int rank_ = 0;
  int size_ = 1;
  int local_rank_ = 0;
  int local_size_ = 1;
};

// The ranks exchange through shared memory: all on one host.
std::unique_ptr<Communicator> mpi_window(MPI_Comm communicator);
// The ranks exchange messages.
std::unique_ptr<Communicator> mpi_point_to_point(MPI_Comm communicator);
// The same with messages as small as for `ranks` ranks (message_plan.h), for tests.
std::unique_ptr<Communicator> mpi_messages_as_of(MPI_Comm communicator, int ranks);
// Those of a host exchange through shared memory, and each with the one at its place on other hosts
// by messages. Ranks [0, ranks_a_host) are on one host, the next as many on the next, and so on.
std::unique_ptr<Communicator> mpi_hosts(MPI_Comm communicator, int ranks_a_host);
// How many ranks each host has where all have as many, in order; else 0. A collective.
int ranks_a_host(MPI_Comm communicator);

}  // namespace ripieno::distributed
