// MPI calls with exceptions and timeouts, and non-blocking messages whose wait sleeps instead of
// occupying a core.
#pragma once

#include <mpi.h>

#include <chrono>
#include <cstddef>
#include <vector>

#include "ripieno/distributed/communicators/collective.h"

namespace ripieno::distributed {

// Throws CommunicationFailure with `call` and MPI's message unless `code` is MPI_SUCCESS.
void check_mpi(int code, const char* call);

// Records that a collective of this process has failed, which shortens wait_for_peers().
void note_failure();
// Waits until all ranks of `communicator` have called this, and returns whether they have. Called
// before collectives that free resources and have no timeout. Waits for `timeout`, but at least 10
// minutes; after note_failure() at most 15 seconds. Returns false at once during stack unwinding,
// after MPI_Finalize, and after it has timed out before; resources are then released by the end of
// the process. A collective.
bool wait_for_peers(MPI_Comm communicator, std::chrono::seconds timeout);

// An MPI tag derived from the collective, so that ranks detect that they called different ones.
int tag_of(const Collective& collective);

// Sends and receives that are in flight together. Messages between two ranks arrive in order.
class Messages {
 public:
  // Holds up to `capacity` messages; no later call allocates.
  Messages(MPI_Comm communicator, int capacity);
  // Calls abandon().
  ~Messages();
  Messages(Messages&&) = default;

  // Starts a message of the collective with this tag. The buffer must stay valid until wait() or
  // abandon().
  void send(const std::byte* from, std::size_t bytes, int to, int tag);
  void receive(std::byte* to, std::size_t bytes, int from, int tag);

  // Returns once all messages are complete. Throws CommunicationFailure if MPI reports an error, a
  // message belongs to another collective or has another length, or on a timeout, with the ranks
  // that are missing. In these cases it first calls abandon().
  void wait(std::chrono::seconds timeout);
  // Cancels messages in flight. Receive buffers are not written after it returns.
  void abandon() noexcept;

 private:
  struct Expected {
    int bytes = -1;  // -1: a send
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
