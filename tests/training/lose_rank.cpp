// lose_rank DIRECTORY HOW: the small run of the tests, which loses rank 1 once the checkpoint of
// step 5 is committed: it is "killed", "stopped" by SIGSTOP, "hangs", "leaves" (exits with 0) or
// "fails" with an exception. With "not" nothing happens.
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <thread>

#include "ripieno/core/error.h"
#include "ripieno/training/program.h"
#include "training/run/tiny_run.h"

namespace {

void wait_for(const std::string& path) {
  while (!std::filesystem::exists(path)) std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

void lose(const std::string& how) {
  if (how == "killed") std::raise(SIGKILL);
  if (how == "stopped") std::raise(SIGSTOP);
  if (how == "hangs") pause();
  if (how == "leaves") std::_Exit(0);
  if (how == "fails") throw ripieno::DataError("rank 1 read invalid data");
}

}  // namespace

int main(int argc, char** argv) {
  return ripieno::run_program([&] {
    const std::string directory = argv[1], how = argv[2];
    ripieno::Session session(argc, argv);
    session.communicator().set_timeout(std::chrono::seconds(2));
    const ripieno::TinyRun run{.directory = directory};
    return run.train(session, [&](ripieno::Session&, int64_t step) {
      if (step != 8 || session.rank() != 1 || how == "not") return;
      wait_for(directory + "/checkpoints/step_00000005");
      lose(how);
    });
  });
}
