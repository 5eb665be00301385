// MPI calls that throw, and messages that are waited for without keeping a core busy.
#pragma once

#include <mpi.h>

#include <chrono>
#include <cstddef>
#include <span>
#include <vector>

namespace ripieno::distributed {

// Throws CommunicationFailure with MPI's reason unless `code` is MPI_SUCCESS.
void check_mpi(int code, const char* call);

// Whether the other ranks can be expected in a collective that frees something: not while an
// exception takes this rank elsewhere, and not after MPI_Finalize.
bool peers_follow();

// Sends and receives that are under way together. Messages between two ranks keep their order.
class Messages {
 public:
  // Room for `capacity` messages; no later call allocates.
  Messages(MPI_Comm communicator, int capacity);
  // Gives up those that a failure left under way.
  ~Messages();
  Messages(Messages&&) = default;

  void send(const std::byte* from, std::size_t bytes, int to);
  void receive(std::byte* to, std::size_t bytes, int from);
  // Collectives of MPI's own.
  void broadcast(std::byte* x, std::size_t bytes, int root);
  void barrier();

  // Returns once all are done. Throws CommunicationFailure where MPI reports an error, a message
  // has another length than was expected, or they are not done in time.
  void wait(std::chrono::seconds timeout);

 private:
  struct Expected {
    int bytes = -1;  // -1: nothing is received
    int from = 0;
  };
  MPI_Request& next(Expected expected);
  std::vector<int> missing() const;
  void require_lengths() const;

  MPI_Comm communicator_;
  std::vector<MPI_Request> requests_;
  std::vector<MPI_Status> statuses_;
  std::vector<Expected> expected_;
};

}  // namespace ripieno::distributed
