// slow DIRECTORY HOW: trains for 60 steps on the ranks of mpirun, while something is slow:
//
//   reader        a sample takes 2 ms to read, on the one reader thread of each rank
//   reader_of_1   the same on rank 1 only
//   disk          each sync of a file or directory takes 100 ms
//   disk_of_1     the same on rank 1 only
//   core_of_1     three other processes use the core of rank 1; each rank has one of its own
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>

#include "ripieno/core/models/mlp.h"
#include "ripieno/core/optim/adamw.h"
#include "ripieno/io/data/batch_loader.h"
#include "ripieno/training/program.h"
#include "ripieno/training/run/run.h"

namespace {

using namespace ripieno;
using std::chrono::milliseconds;

std::atomic<int> milliseconds_per_fsync = 0;

class Samples final : public io::Dataset {
 public:
  explicit Samples(milliseconds time) : time_(time) {}
  int64_t size() const override { return 1000; }
  io::SampleLayout layout() const override {
    return {.inputs = {{64}, DType::float32}, .targets = {{}, DType::int32}};
  }
  void read(int64_t index, const io::SampleRow& into) const override {
    if (time_.count() > 0) std::this_thread::sleep_for(time_);
    for (auto& x : into.inputs<float>()) x = static_cast<float>(index % 7);
    into.targets<int32_t>()[0] = static_cast<int32_t>(index % 3);
  }
  std::string fingerprint() const override { return "samples"; }

 private:
  const milliseconds time_;
};

// Every rank gets a core of its own: the n-th one that this process may use.
void use_core(int n) {
  cpu_set_t allowed, one;
  ::sched_getaffinity(0, sizeof allowed, &allowed);
  CPU_ZERO(&one);
  for (int core = 0; core < CPU_SETSIZE; ++core) {
    if (CPU_ISSET(core, &allowed) && n-- == 0) CPU_SET(core, &one);
  }
  ::sched_setaffinity(0, sizeof one, &one);
}

// On the cores of this process, until it ends.
void start_busy_process() {
  if (::fork() != 0) return;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::alarm(600);
  for (volatile int64_t spins = 0;;) spins = spins + 1;
}

void share_core_of_rank_1() {
  const char* const rank = std::getenv("OMPI_COMM_WORLD_RANK");
  use_core(rank ? std::atoi(rank) : 0);
  if (rank && std::string(rank) == "1") {
    for (int i = 0; i < 3; ++i) start_busy_process();
  }
}

int train(const std::string& directory, const std::string& how, Session& session) {
  const bool is_slow = !how.ends_with("_of_1") || session.rank() == 1;
  const bool has_slow_reader = how.starts_with("reader") && is_slow;
  if (how.starts_with("disk") && is_slow) milliseconds_per_fsync = 100;
  io::BatchLoader loader(std::make_shared<Samples>(milliseconds(has_slow_reader ? 2 : 0)),
                         {.batch_size = 32, .threads = 1}, session);
  // Steps that are longer than the time slices of other processes.
  const int64_t width = how == "core_of_1" ? 1024 : 256;
  nn::Mlp model({64, width, width, 3});
  optim::AdamW optimizer(model.parameters());
  distributed::DataParallel parallel(model, optimizer, session.communicator());
  Run run(directory, session, model, optimizer, loader,
          {.steps = 60,
           .checkpoint_every = how == "core_of_1" ? 1000 : 5,
           .parallel = &parallel,
           .messages = stderr});
  while (const auto batch = run.next()) {
    parallel.backward(model.loss(batch->inputs, batch->targets));
    parallel.step();
    run.log();
  }
  return run.exit_status();
}

}  // namespace

// In place of those of the C library.
extern "C" int fsync(int file) {
  std::this_thread::sleep_for(milliseconds(milliseconds_per_fsync));
  return static_cast<int>(::syscall(SYS_fsync, file));
}
extern "C" int fdatasync(int file) {
  std::this_thread::sleep_for(milliseconds(milliseconds_per_fsync));
  return static_cast<int>(::syscall(SYS_fdatasync, file));
}

int main(int argc, char** argv) {
  if (argv[2] == std::string("core_of_1")) share_core_of_rank_1();
  return run_program([&] {
    Session session(argc, argv);
    return train(argv[1], argv[2], session);
  });
}
