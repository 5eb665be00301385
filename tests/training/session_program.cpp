// session_program HOW: a program under mpirun that uses Session incorrectly: it constructs one
// "twice", or on "half" of the ranks.
#include <unistd.h>

#include <string>

#include "ripieno/distributed/communicators/mpi/launcher.h"
#include "ripieno/training/program.h"
#include "ripieno/training/session/session.h"

int main(int argc, char** argv) {
  return ripieno::run_program([&] {
    const std::string how = argv[1];
    if (how == "half" && ripieno::distributed::launched_rank() % 2 == 1) pause();
    { ripieno::Session session(argc, argv); }
    if (how == "twice") ripieno::Session session(argc, argv);
    return 0;
  });
}
