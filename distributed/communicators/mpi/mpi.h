// A communicator over an MPI_Comm of the caller, for programs that use MPI themselves.
#pragma once

#include <mpi.h>

#include <memory>

#include "ripieno/distributed/communicators/communicator.h"

namespace ripieno::distributed {

// A Communicator of the ranks of `communicator`, which is duplicated; the caller keeps ownership of
// it. A collective, and so is the destruction of the result, which must precede MPI_Finalize. Ranks
// on one host communicate through shared memory, ranks on different hosts by messages. duplicate()
// of the result throws ConfigurationError unless MPI was initialized with MPI_THREAD_MULTIPLE.
// Throws CommunicationFailure if an MPI call fails, and ConfigurationError if shared memory cannot
// be allocated.
std::unique_ptr<Communicator> mpi(MPI_Comm communicator);

}  // namespace ripieno::distributed
