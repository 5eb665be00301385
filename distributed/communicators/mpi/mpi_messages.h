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

// Whether the other ranks can be expected in a collective that frees something: not while an
// exception takes this rank elsewhere, and not after MPI_Finalize.
bool peers_follow();

// What the messages of a collective carry, so that ranks notice that they are in different ones.
int tag_of(const Collective& collective);

// Sends and receives that are under way together. Messages between two ranks keep their order.
class Messages {
 public:
  // Room for `capacity` messages; no later call allocates.
  Messages(MPI_Comm communicator, int capacity);
  // Gives up those that a failure left under way.
  ~Messages();
  Messages(Messages&&) = default;

  // Of the collective with this tag.
  void send(const std::byte* from, std::size_t bytes, int to, int tag);
  void receive(std::byte* to, std::size_t bytes, int from, int tag);

  // Returns once all are done. Throws CommunicationFailure where MPI reports an error, a message is
  // of another collective or has another length than was expected, or the ranks that it names are
  // not done in time.
  void wait(std::chrono::seconds timeout);

 private:
  struct Expected {
    int bytes = -1;  // -1: it is sent
    int peer = 0;
    int tag = 0;
  };
  MPI_Request& next(Expected expected);
  bool test();
  void require_expected(std::size_t message) const;
  std::vector<int> missing() const;

  MPI_Comm communicator_;
  std::vector<MPI_Request> requests_;
  std::vector<MPI_Status> statuses_;
  std::vector<Expected> expected_;
};

}  // namespace ripieno::distributed
