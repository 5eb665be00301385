// The snippet of docs/from_pytorch.md.
#include <ripieno/ripieno.h>

#include "documents/expect.h"
#include "documents/labeled_points.h"

using namespace ripieno;

int train(int argc, char** argv) {
  Session session(argc, argv);
  const auto [x, y] = labeled_points(512, 8, 4);
  MemoryLoader loader(x, y, {.batch_size = 32, .order = io::shuffled(512, 1)}, session);
  nn::Mlp model({8, 32, 4});
  model.to(session.device());
  optim::AdamW optimizer(model.parameters(), {.learning_rate = 1e-2});
  DataParallel parallel(model, optimizer, session.communicator());
  const optim::Schedule schedule{
      .kind = optim::Schedule::Kind::cosine, .peak = 1e-2, .warmup_steps = 10, .steps = 100};
  Run run("runs/from_pytorch", session, model, optimizer, loader,
          {.steps = 100, .schedule = schedule, .parallel = &parallel, .messages = stderr});
  // clang-format off
  while (const auto batch = run.next()) {    // sets the learning rate; saves, validates, resumes
    parallel.backward(cross_entropy(model(batch->inputs), batch->targets));
    parallel.step();                         // clears the gradients as well
    run.log();
  }
  // clang-format on
  for (const Tensor& parameter : model.parameters().tensors())
    expect(!parameter.gradient().defined(), "step() clears the gradients");
  return run.exit_status();
}

int main(int argc, char** argv) {
  return run_program([&] { return train(argc, argv); });
}
