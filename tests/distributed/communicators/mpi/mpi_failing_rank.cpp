// One rank fails while the others wait for it: the job must exit with that rank's status, 65.
#include <cstdlib>

#include "ripieno/distributed/communicators/mpi/mpi_world.h"

using namespace ripieno;

int main() {
  try {
    const distributed::MpiEnvironment mpi;
    const auto ranks = distributed::mpi_world();
    const auto second = ranks->duplicate();
    if (ranks->rank() == 1) throw DataError("rank 1 found bad data");
    second->all_reduce(Tensor::zeros({1000}));
  } catch (const DataError&) {
    return 65;
  }
  return EXIT_SUCCESS;
}
