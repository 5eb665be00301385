#include "ripieno/distributed/launcher.h"

#include <cstdlib>
#include <initializer_list>

namespace ripieno::distributed {

bool started_by_launcher() {
  // Set by Open MPI's mpirun, by MPICH's and Intel's, and by those that speak PMIx (srun
  // --mpi=pmix).
  for (const char* name : {"OMPI_COMM_WORLD_RANK", "PMI_RANK", "PMIX_RANK"}) {
    if (std::getenv(name) != nullptr) return true;
  }
  return false;
}

}  // namespace ripieno::distributed
