// One rank stops, as on a host that hangs: the others must name it after the timeout, and the job
// must exit with their status, 76.
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "ripieno/distributed/communicators/mpi/mpi_communicator.h"
#include "ripieno/distributed/communicators/mpi/mpi_world.h"

using namespace ripieno;

int main(int argc, char** argv) {
  const bool by_messages = argc > 1 && std::string_view(argv[1]) == "messages";
  const distributed::MpiEnvironment mpi;
  const auto ranks = by_messages ? distributed::mpi_point_to_point(MPI_COMM_WORLD)
                                 : distributed::mpi_window(MPI_COMM_WORLD);
  ranks->set_timeout(std::chrono::seconds(2));
  ranks->barrier();
  if (ranks->rank() == 1) std::raise(SIGSTOP);
  try {
    ranks->all_reduce(Tensor::zeros({1000}));
  } catch (const CommunicationFailure& failure) {
    const std::string_view what = failure.what();
    const bool names_it =
        what.find("timed out after 2 s waiting for rank 1") != std::string_view::npos;
    std::fprintf(stderr, "%s\n", failure.what());
    std::_Exit(names_it ? 76 : EXIT_FAILURE);
  }
  return EXIT_SUCCESS;
}
