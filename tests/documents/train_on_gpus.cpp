// The snippet of docs/train_on_gpus.md.
#include <ripieno/ripieno.h>

using namespace ripieno;

int train(int argc, char** argv) {
  Session session(argc, argv);
  Tensor x({4096, 2});
  fill_uniform(x, -1.0, 1.0, {.seed = 1});
  MemoryLoader loader(x, sin(x * 3.0), {.batch_size = 64, .order = io::shuffled(4096, 1)}, session);

  nn::Sequential model{nn::Linear(2, 32, {.activation = Activation::kGelu}), nn::Linear(32, 2)};
  model.to(session.device());
  optim::AdamW optimizer(model.parameters(), {.learning_rate = 3e-3});
  DataParallel parallel(model, optimizer, session.communicator());
  Run run("runs/train_on_gpus", session, model, optimizer, loader,
          {.steps = 200, .parallel = &parallel, .progress = stdout, .messages = stderr});
  StepGraph graph(parallel);
  while (const auto batch = run.next()) {
    graph.run(*batch, [&](const io::Batch& rows) {
      parallel.backward(mse(model(rows.inputs), rows.targets));
      parallel.step();
    });
    run.log();
  }
  return run.exit_status();
}

int main(int argc, char** argv) {
  return run_program([&] { return train(argc, argv); });
}
