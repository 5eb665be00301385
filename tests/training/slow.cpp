// slow DIRECTORY HOW: trains for 60 steps on the ranks of mpirun, while something is slow:
//
//   reader        a sample takes 2 ms to read, on the one reader thread of each rank
//   reader_of_1   the same on rank 1 only
//   disk          each fsync takes 100 ms
#include <unistd.h>

#include <atomic>
#include <chrono>
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

int train(const std::string& directory, const std::string& how, Session& session) {
  const bool is_slow = !how.ends_with("_of_1") || session.rank() == 1;
  const bool has_slow_reader = how.starts_with("reader") && is_slow;
  if (how == "disk") milliseconds_per_fsync = 100;
  io::BatchLoader loader(std::make_shared<Samples>(milliseconds(has_slow_reader ? 2 : 0)),
                         {.batch_size = 32, .threads = 1}, session);
  nn::Mlp model({64, 256, 256, 3});
  optim::AdamW optimizer(model.parameters());
  distributed::DataParallel parallel(model, optimizer, session.communicator());
  Run run(directory, session, model, optimizer, loader,
          {.steps = 60, .checkpoint_every = 5, .parallel = &parallel, .messages = stderr});
  while (const auto batch = run.next()) {
    parallel.backward(model.loss(batch->inputs, batch->targets));
    parallel.step();
    run.log();
  }
  return run.exit_status();
}

}  // namespace

// In place of the one of the C library.
extern "C" int fsync(int file) {
  std::this_thread::sleep_for(milliseconds(milliseconds_per_fsync));
  return ::fdatasync(file);
}

int main(int argc, char** argv) {
  return run_program([&] {
    Session session(argc, argv);
    return train(argv[1], argv[2], session);
  });
}
