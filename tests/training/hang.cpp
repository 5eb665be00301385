// hang DIRECTORY HOW LIMIT: trains on the ranks of mpirun, with a watchdog limit of LIMIT seconds,
// until rank 1 does something in step 6 after which the others would wait forever:
//
//   data          reads a sample that never arrives
//   validation    does not return from measuring a batch
//   save          does not return from writing its part of a checkpoint
//   stopped       stops itself (SIGSTOP)
//   skips         does not take part in one collective
//   shapes        calls a collective with another number of elements
//   asleep        sleeps in the step
//   names         has another run directory
//   crashes       writes to a null pointer
//   killed        kills itself (SIGKILL)
//   fails         throws
//   storage       throws what the C++ library throws for a missing file
//   allocates     allocates tensors until its limit of address space is reached
//   eats          fills memory until it is killed by the control group that it is in
//   not           nothing
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "ripieno/core/error.h"
#include "ripieno/core/models/mlp.h"
#include "ripieno/core/optim/adamw.h"
#include "ripieno/io/data/batch_loader.h"
#include "ripieno/training/program.h"
#include "ripieno/training/run/run.h"

namespace {

using namespace ripieno;

constexpr int64_t kStep = 6, kBatch = 8;
std::atomic<bool> sleeps_in_save = false;

void sleep_forever() {
  while (true) ::pause();
}

// Samples of which one may never arrive.
class Samples final : public io::Dataset {
 public:
  explicit Samples(int64_t missing) : missing_(missing) {}
  int64_t size() const override { return 1000; }
  io::SampleLayout layout() const override {
    return {.inputs = {{4}, DType::float32}, .targets = {{}, DType::int32}};
  }
  void read(int64_t index, const io::SampleRow& into) const override {
    if (index == missing_) sleep_forever();
    for (auto& x : into.inputs<float>()) x = static_cast<float>(index % 7);
    into.targets<int32_t>()[0] = static_cast<int32_t>(index % 3);
  }
  std::string fingerprint() const override { return "samples"; }

 private:
  const int64_t missing_;
};

// Limits the process to a little more memory than it has, and keeps tensors until none is left.
void allocate_without_end() {
  constexpr rlim_t kMore = rlim_t{1} << 30;
  std::ifstream sizes("/proc/self/statm");
  rlim_t pages = 0;
  sizes >> pages;
  const rlim_t bytes = pages * static_cast<rlim_t>(::sysconf(_SC_PAGESIZE)) + kMore;
  const rlimit limit = {bytes, bytes};
  ::setrlimit(RLIMIT_AS, &limit);
  for (std::vector<Tensor> kept;;) kept.push_back(Tensor::zeros({int64_t{1} << 24}));
}

// Slowly, so that heartbeats see it. Gives up before it harms a machine without a control group.
void fill_memory() {
  constexpr std::size_t kPiece = std::size_t{8} << 20, kMost = std::size_t{1} << 30;
  std::vector<std::string> kept;
  while (kept.size() * kPiece < kMost) {
    kept.emplace_back(kPiece, 'x');
    ::usleep(50'000);
  }
  throw Error("no control group limits the memory of this process");
}

void misbehave(const std::string& how, Session& session) {
  const Tensor one = Tensor::zeros({1}), two = Tensor::zeros({2});
  const bool is_culprit = session.rank() == 1;
  if (how == "skips" && !is_culprit) session.communicator().all_reduce(one);
  if (how == "shapes") session.communicator().all_reduce(is_culprit ? two : one);
  if (!is_culprit) return;
  if (how == "asleep") sleep_forever();
  if (how == "stopped") std::raise(SIGSTOP);
  if (how == "killed") std::raise(SIGKILL);
  if (how == "crashes") *static_cast<volatile int*>(nullptr) = 1;
  if (how == "fails") throw DataError("the data of rank 1 is invalid");
  if (how == "storage") std::filesystem::resize_file("/no/such/file", 0);
  if (how == "allocates") allocate_without_end();
  if (how == "eats") fill_memory();
  if (how == "save") sleeps_in_save = true;
}

int train(const std::string& directory, const std::string& how, double limit, Session& session) {
  const bool is_culprit = session.rank() == 1;
  const int64_t missing =
      how == "data" && is_culprit ? kStep * kBatch + kBatch / 2 : -1;  // rank 1 of 3 reads it
  io::BatchLoader loader(
      std::make_shared<Samples>(missing),
      {.batch_size = kBatch, .validation = std::make_shared<Samples>(-1), .ahead = 1}, session);
  nn::Mlp model({4, 16, 3});
  optim::AdamW optimizer(model.parameters());
  distributed::DataParallel parallel(model, optimizer, session.communicator());
  Run run(how == "names" && is_culprit ? directory + "_of_rank_1" : directory, session, model,
          optimizer, loader,
          {.steps = 12,
           .checkpoint_every = 7,
           .evaluate_every = 8,
           .parallel = &parallel,
           .watch = {.limit_seconds = limit, .ends_process = true},
           .messages = stderr});
  run.validate_with([&](const io::Batch& batch) {
    if (how == "validation" && is_culprit) sleep_forever();
    return model.loss(batch.inputs, batch.targets);
  });
  while (const auto batch = run.next()) {
    if (run.step() + 1 == kStep) misbehave(how, session);
    parallel.backward(model.loss(batch->inputs, batch->targets));
    parallel.step();
    run.log();
  }
  return run.exit_status();
}

}  // namespace

// In place of the one of the C library.
extern "C" int fdatasync(int file) {
  if (sleeps_in_save) sleep_forever();
  return static_cast<int>(::syscall(SYS_fdatasync, file));
}

int main(int argc, char** argv) {
  return run_program([&] {
    Session session(argc, argv);
    return train(argv[1], argv[2], std::atof(argv[3]), session);
  });
}
