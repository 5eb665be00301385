// The snippets of docs/performance.md.
#include <ripieno/ripieno.h>

#include "documents/labeled_points.h"

using namespace ripieno;

int train(int argc, char** argv) {
  Session session(argc, argv);
  const auto [x, y] = labeled_points(512, 8, 8);
  MemoryLoader loader(x, y, {.batch_size = 32}, session);
  nn::Mlp model({8, 32, 8});
  optim::AdamW optimizer(model.parameters(), {.learning_rate = 1e-2});
  DataParallel parallel(model, optimizer, session.communicator());
  const int64_t steps = 30;

  Profile profile(session, {.file = "trace.json", .first_step = 10, .last_step = 19});
  for (int64_t step = 1; step <= steps; ++step) {
    profile.begin_step(step);
    const io::Batch batch = loader.next();
    parallel.backward(model.loss(batch.inputs, batch.targets));
    parallel.step();
  }
  profile.finish();
  return 0;
}

int main(int argc, char** argv) {
  return run_program([&] { return train(argc, argv); });
}
