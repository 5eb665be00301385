// Whether a launcher of MPI jobs started this process, told by its environment.
#pragma once

namespace ripieno::distributed {

bool started_by_launcher();

}  // namespace ripieno::distributed
