// MPI for programs that mpirun starts: initialization, and the communicator of all processes.
//
// Needs no mpi.h, and is there in a build without MPI. Programs with an MPI_Comm of their own:
// mpi.h.
#pragma once

#include <memory>
#include <string>

#include "ripieno/distributed/communicators/communicator.h"

namespace ripieno::distributed {

// Whether mpirun (or srun) started this process, or it has initialized MPI itself.
bool launched_by_mpi();

// The MPI that this was built with, for people: "Open MPI v4.1.4, …".
std::string mpi_library();

// Keeps MPI initialized while it lives; must outlive all communicators over MPI.
//
// MPI that was initialized by the caller is used as it is, and left as it is. While an exception
// leaves its scope it does not wait for the other ranks: the process then ends with its own exit
// status, and mpirun ends the others.
class MpiEnvironment {
 public:
  // Throws ConfigurationError in a build without MPI.
  MpiEnvironment();
  ~MpiEnvironment();
  MpiEnvironment(const MpiEnvironment&) = delete;
  MpiEnvironment& operator=(const MpiEnvironment&) = delete;

 private:
  bool ours_ = false;
  int exceptions_at_start_ = 0;
};

// All processes of the job. Throws ConfigurationError where MPI is not initialized, or not built
// in. Every rank destroys it, as a collective.
std::unique_ptr<Communicator> mpi_world();

}  // namespace ripieno::distributed
