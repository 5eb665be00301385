// One rank stops, and the others catch the failure: nothing after it hangs (other communicators,
// destructors, MPI_Finalize, returning from main). The job must exit with their status, 76.
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "ripieno/distributed/communicators/mpi/mpi_communicator.h"
#include "ripieno/distributed/communicators/mpi/mpi_world.h"

using namespace ripieno;

int main(int argc, char** argv) {
  const bool by_messages = argc > 1 && std::string_view(argv[1]) == "messages";
  int failures = 0;
  {
    const distributed::MpiEnvironment mpi;
    const auto ranks = by_messages ? distributed::mpi_point_to_point(MPI_COMM_WORLD)
                                   : distributed::mpi_window(MPI_COMM_WORLD);
    const auto other = ranks->duplicate();
    for (auto* group : {ranks.get(), other.get()}) group->set_timeout(std::chrono::seconds(1));
    ranks->barrier();
    if (ranks->rank() == 1) std::raise(SIGSTOP);
    for (auto* group : {ranks.get(), other.get(), ranks.get()}) {
      try {
        group->all_reduce(Tensor::zeros({1000}));
      } catch (const CommunicationFailure& failure) {
        ++failures;
      }
    }
  }
  std::fprintf(stderr, "%d failures were caught\n", failures);
  return failures == 3 ? 76 : EXIT_FAILURE;
}
