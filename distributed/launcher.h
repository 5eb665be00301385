// What a launcher of MPI jobs told this process by its environment.
#pragma once

namespace ripieno::distributed {

bool started_by_launcher();
// Its rank in the job, which is known also where MPI does not work; 0 where no launcher did.
int launched_rank();

}  // namespace ripieno::distributed
