// A communicator over an MPI_Comm of the caller's, for programs that use MPI themselves.
#pragma once

#include <mpi.h>

#include <memory>

#include "ripieno/distributed/communicators/communicator.h"

namespace ripieno::distributed {

// The ranks of `communicator`, which is duplicated and stays the caller's. A collective, and so is
// the destruction of the result, which comes before MPI_Finalize. Inside one host the ranks meet in
// shared memory, else by messages. duplicate() throws ConfigurationError unless MPI was initialized
// with MPI_THREAD_MULTIPLE.
std::unique_ptr<Communicator> mpi(MPI_Comm communicator);

}  // namespace ripieno::distributed
