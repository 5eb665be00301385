// What a launcher of MPI jobs told this process by its environment.
#pragma once

namespace ripieno::distributed {

bool started_by_launcher();
// Its rank in the job, which is known also where MPI does not work; 0 where no launcher did.
int launched_rank();
// How many ranks it started; 1 where it does not say.
int launched_size();

}  // namespace ripieno::distributed
