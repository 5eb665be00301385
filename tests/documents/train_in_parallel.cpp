// The snippet of docs/train_in_parallel.md.
#include <ripieno/ripieno.h>

#include "documents/labeled_points.h"

using namespace ripieno;

int train(int argc, char** argv) {
  Session session(argc, argv);
  session.set_slots(4);
  const auto [x, y] = labeled_points(512, 8, 4);
  MemoryLoader loader(x, y, {.batch_size = 32, .order = io::shuffled(512, 1)}, session);
  nn::Mlp model({8, 32, 4});
  model.to(session.device());
  optim::AdamW optimizer(model.parameters(), {.learning_rate = 1e-2});
  DataParallel parallel(model, optimizer, session.communicator(), {.slots = 4});
  Run run("runs/train_in_parallel", session, model, optimizer, loader,
          {.steps = 100, .parallel = &parallel, .messages = stderr});
  while (const auto batch = run.next()) {
    const Tensor inputs = batch->inputs, targets = batch->targets;
    const int64_t rows = inputs.size(0);
    parallel.backward(rows, [&](int64_t begin, int64_t end) {
      return model.loss(inputs.slice(0, begin, end), targets.slice(0, begin, end));
    });
    parallel.step();
    run.log();
  }
  return run.exit_status();
}

int main(int argc, char** argv) {
  return run_program([&] { return train(argc, argv); });
}
