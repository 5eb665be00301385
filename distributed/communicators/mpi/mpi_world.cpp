#include "ripieno/distributed/communicators/mpi/mpi_world.h"

#include <stdlib.h>

#include <cstdlib>
#include <exception>

#include "ripieno/distributed/communicators/mpi/launcher.h"
#include "ripieno/distributed/communicators/mpi/mpi.h"
#include "ripieno/distributed/communicators/mpi/mpi_messages.h"

namespace ripieno::distributed {
namespace {

bool is_initialized() {
  int initialized = 0, finalized = 0;
  MPI_Initialized(&initialized);
  MPI_Finalized(&finalized);
  return initialized && !finalized;
}

bool is_finalized() {
  int finalized = 0;
  MPI_Finalized(&finalized);
  return finalized;
}

// Keeps Open MPI from using "net", libfabric's provider for TCP, which releases before 4.1.5 take
// for a fabric: it crashes when a receive is canceled after a timeout. Open MPI's own TCP is used
// instead. The user's choice of providers, in the environment or on mpirun's command line, counts.
void exclude_tcp_of_libfabric() {
  for (const char* const choice :
       {"OMPI_MCA_mtl_ofi_provider_include", "OMPI_MCA_opal_common_ofi_provider_include",
        "OMPI_MCA_btl_ofi_provider_include", "OMPI_MCA_opal_common_ofi_provider_exclude",
        "OMPI_MCA_btl_ofi_provider_exclude"}) {
    if (std::getenv(choice)) return;
  }
  ::setenv("OMPI_MCA_mtl_ofi_provider_exclude", "shm,sockets,tcp,udp,rstream,usnic,net",
           /*overwrite=*/0);
}

}  // namespace

bool launched_by_mpi() { return is_initialized() || started_by_launcher(); }

std::string mpi_library() {
  char text[MPI_MAX_LIBRARY_VERSION_STRING] = {};
  int length = 0;
  check_mpi(MPI_Get_library_version(text, &length), "MPI_Get_library_version");
  const std::string version(text, static_cast<std::size_t>(length));
  return version.substr(0, version.find(','));
}

MpiEnvironment::MpiEnvironment()
    : ours_(!is_initialized()), exceptions_at_start_(std::uncaught_exceptions()) {
  int provided = MPI_THREAD_SINGLE;
  if (is_finalized()) {
    throw Error(
        "session: MPI was finalized when an earlier Session was destroyed, and cannot be "
        "initialized again in this process; keep one Session while ranks communicate");
  }
  if (ours_) {
    exclude_tcp_of_libfabric();
    check_mpi(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_MULTIPLE, &provided), "MPI_Init_thread");
  }
}

MpiEnvironment::~MpiEnvironment() {
  const bool unwinding = std::uncaught_exceptions() > exceptions_at_start_;
  if (!ours_ || unwinding || !is_initialized()) return;
  if (wait_for_peers(MPI_COMM_WORLD, Communicator::kDefaultTimeout)) MPI_Finalize();
}

std::unique_ptr<Communicator> mpi_world() {
  if (!is_initialized()) {
    throw ConfigurationError(
        "mpi_world: MPI is not initialized; construct an MpiEnvironment first");
  }
  return mpi(MPI_COMM_WORLD);
}

}  // namespace ripieno::distributed
