// MPI calls that throw, and messages that are waited for without keeping a core busy.
#pragma once

#include <mpi.h>

#include <chrono>
#include <cstddef>
#include <vector>

#include "ripieno/distributed/communicators/collective.h"

namespace ripieno::distributed {

// Throws CommunicationFailure with MPI's reason unless `code` is MPI_SUCCESS.
void check_mpi(int code, const char* call);

// Notes for this process that a collective has failed, so that peers_follow() has less patience.
void note_failure();
// Whether the other ranks of `communicator` call this too, before a collective that frees something
// and cannot time out. False while an exception unwinds this rank, after MPI_Finalize, and once a
// peer has not come in `timeout` (10 minutes at least; after a failure 15 seconds at most):
// resources are then left to the end of the process. A collective.
bool peers_follow(MPI_Comm communicator, std::chrono::seconds timeout);

// What the messages of a collective carry, so that ranks notice that they are in different ones.
int tag_of(const Collective& collective);

// Sends and receives that are under way together. Messages between two ranks keep their order.
class Messages {
 public:
  // Room for `capacity` messages; no later call allocates.
  Messages(MPI_Comm communicator, int capacity);
  // Abandons messages under way.
  ~Messages();
  Messages(Messages&&) = default;

  // Of the collective with this tag.
  void send(const std::byte* from, std::size_t bytes, int to, int tag);
  void receive(std::byte* to, std::size_t bytes, int from, int tag);

  // Returns once all are done. Throws CommunicationFailure where MPI reports an error, a message is
  // of another collective or has another length than was expected, or the ranks that it names are
  // not done in time. The messages are then abandoned: memory of receives is not written any more.
  void wait(std::chrono::seconds timeout);
  void abandon() noexcept;

 private:
  struct Expected {
    int bytes = -1;  // -1: it is sent
    int peer = 0;
    int tag = 0;
  };
  MPI_Request& next(Expected expected);
  void wait_for_all(std::chrono::seconds timeout);
  bool test();
  void require_expected(std::size_t message) const;
  std::vector<int> missing() const;

  MPI_Comm communicator_;
  std::vector<MPI_Request> requests_;
  std::vector<MPI_Status> statuses_;
  std::vector<Expected> expected_;
};

}  // namespace ripieno::distributed
