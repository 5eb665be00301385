// train_tiny DIRECTORY [RANKS]: the small run of the tests, on RANKS threads of this process or on
// the ranks of mpirun.
#include <cstdlib>

#include "ripieno/training/program.h"
#include "training/run/tiny_run.h"

int main(int argc, char** argv) {
  return ripieno::run_program([&] {
    const ripieno::TinyRun run{.directory = argv[1]};
    if (argc > 2) return run.train_on(std::atoi(argv[2]));
    ripieno::Session session(argc, argv);
    return run.train(session);
  });
}
