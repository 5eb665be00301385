#include "ripieno/distributed/communicators/mpi/launcher.h"

#include <cstdlib>
#include <initializer_list>

namespace ripieno::distributed {

namespace {

// The rank, or null.
const char* rank_variable() {
  // Set by Open MPI's mpirun, by MPICH's and Intel's, and by those that speak PMIx (srun
  // --mpi=pmix).
  for (const char* name : {"OMPI_COMM_WORLD_RANK", "PMI_RANK", "PMIX_RANK"}) {
    if (const char* rank = std::getenv(name)) return rank;
  }
  return nullptr;
}

}  // namespace

bool started_by_launcher() { return rank_variable() != nullptr; }

int launched_size() {
  for (const char* name : {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE"}) {
    if (const char* size = std::getenv(name)) return std::atoi(size);
  }
  return 1;
}

int launched_rank() {
  const char* rank = rank_variable();
  return rank ? std::atoi(rank) : 0;
}

}  // namespace ripieno::distributed
