#include "ripieno/distributed/communicators/mpi/launcher.h"
#include "ripieno/distributed/communicators/mpi/mpi_world.h"

namespace ripieno::distributed {
namespace {

[[noreturn]] void fail_without_mpi() {
  throw ConfigurationError(
      "this build of Ripieno has no MPI support; configure it with -DRIPIENO_MPI=ON");
}

}  // namespace

bool launched_by_mpi() { return started_by_launcher(); }

std::string mpi_library() { return "none"; }

MpiEnvironment::MpiEnvironment() { fail_without_mpi(); }
MpiEnvironment::~MpiEnvironment() = default;

std::unique_ptr<Communicator> mpi_world() { fail_without_mpi(); }

}  // namespace ripieno::distributed
