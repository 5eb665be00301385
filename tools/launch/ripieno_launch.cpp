// `ripieno launch`: a program of its own, which `ripieno` executes. It links neither MPI nor CUDA,
// so that it starts in milliseconds and works where they are not installed. It is also the wrapper
// of each rank.
#include <cstdlib>

#include "ripieno/tools/launch/launch.h"
#include "ripieno/training/program.h"

namespace {

// Ends without destructors of static objects: a thread may still wait for storage.
int run(const ripieno::tools::LaunchOptions& options) {
  if (options.rank) std::_Exit(ripieno::tools::run_rank(*options.rank));
  const int status = ripieno::tools::launch(options);
  if (!options.dry_run) std::_Exit(status);
  return status;
}

}  // namespace

int main(int argc, char** argv) {
  return ripieno::run_program([&] {
    const auto options = ripieno::tools::parse_launch_options(argc, argv);
    return options ? run(*options) : 0;
  });
}
