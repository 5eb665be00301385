// The second snippet of docs/from_one_machine_to_many.md; the first is ranks.cpp.
#include <ripieno/ripieno.h>

#include "documents/labeled_points.h"

using namespace ripieno;

int train(int argc, char** argv) {
  Session session(argc, argv);
  const auto [x, y] = labeled_points(512, 8, 4);
  MemoryLoader loader(x, y, {.batch_size = 32, .order = io::shuffled(512, 1)}, session);
  nn::Mlp model({8, 32, 4});
  model.to(session.device());
  optim::AdamW optimizer(model.parameters(), {.learning_rate = 1e-2});
  DataParallel parallel(model, optimizer, session.communicator(), {.wire = DType::bfloat16});
  Run run("runs/from_one_machine_to_many", session, model, optimizer, loader,
          {.steps = 100, .check_every = 1, .parallel = &parallel, .messages = stderr});
  while (const auto batch = run.next()) {  // throws if parameters of two ranks differ
    parallel.backward(model.loss(batch->inputs, batch->targets));
    parallel.step();
    run.log();
  }
  return run.exit_status();
}

int main(int argc, char** argv) {
  return run_program([&] { return train(argc, argv); });
}
