// What the environment variables of a parallel launcher (mpirun, srun) say about this process.
#pragma once

#include <string>

namespace ripieno::distributed {

// Whether a launcher that MPI recognizes started this process.
bool started_by_launcher();
// The rank of this process in the job, available without initializing MPI; 0 without a launcher.
int launched_rank();
// A lower bound on the number of processes that the launcher started together with this one; 1 if
// it started no other. The tasks of a Slurm batch job count only if a job step started them.
int launched_size();

// An error message with its remedy, for when MPI reports a world size of 1 although launched_size()
// is more than 1. mpi: the result of mpi_library().
std::string explain_world_size_of_one(const std::string& mpi);

}  // namespace ripieno::distributed
