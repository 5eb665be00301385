// What a launcher of parallel jobs (mpirun, srun) says about this process in its environment.
#pragma once

#include <string>

namespace ripieno::distributed {

// Whether a launcher that MPI understands started this process.
bool started_by_launcher();
// Its rank in the job, which is known also where MPI does not work; 0 where no launcher says it.
int launched_rank();
// How many processes the launcher started together with this one, at least; 1 where it started it
// alone. A batch job with several tasks does not count: only a step that started them does.
int launched_size();

// What is wrong, and what to do, where MPI finds this process alone although launched_size() is
// more than 1. `mpi`: mpi_library().
std::string explain_being_alone(const std::string& mpi);

}  // namespace ripieno::distributed
