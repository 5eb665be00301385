// MPI for programs launched by mpirun or srun: initialization, and the communicator of all ranks.
//
// Does not include mpi.h and also exists in a build without MPI. For programs that have their own
// MPI_Comm, see mpi.h.
#pragma once

#include <memory>
#include <string>

#include "ripieno/distributed/communicators/communicator.h"

namespace ripieno::distributed {

// Whether mpirun or srun started this process, or the program has initialized MPI itself.
bool launched_by_mpi();

// Name and version of the MPI library, as in "Open MPI v4.1.4"; "none" in a build without MPI.
std::string mpi_library();

// Initializes MPI (with MPI_THREAD_MULTIPLE) and finalizes it when destroyed. Must outlive all
// communicators over MPI.
//
// If the caller has initialized MPI, neither happens. If destroyed during stack unwinding it does
// not wait for the other ranks and does not finalize MPI: the process then exits with its own
// status, and mpirun ends the other ranks.
class MpiEnvironment {
 public:
  // Throws ConfigurationError in a build without MPI, CommunicationFailure if MPI cannot be
  // initialized, and Error if it was finalized before in this process.
  MpiEnvironment();
  ~MpiEnvironment();
  MpiEnvironment(const MpiEnvironment&) = delete;
  MpiEnvironment& operator=(const MpiEnvironment&) = delete;

 private:
  bool ours_ = false;
  int exceptions_at_start_ = 0;
};

// A communicator of all processes of the job. A collective, and so is its destruction. Throws
// ConfigurationError if MPI is not initialized or not built in.
std::unique_ptr<Communicator> mpi_world();

}  // namespace ripieno::distributed
