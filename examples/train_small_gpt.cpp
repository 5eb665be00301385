#include <ripieno/ripieno.h>

int train(int argc, char** argv) {
  ripieno::Session session(argc, argv);  // mpirun or alone; the GPU of this local rank, or the CPU
  ripieno::TokenLoader loader("text.txt", {.batch_size = 12, .context = 64}, session);
  const auto vocab = loader.tokenizer().vocabulary_size();
  ripieno::nn::Gpt model({.vocab = vocab, .layers = 4, .heads = 4, .channels = 128, .context = 64});
  model.to(session.device());
  ripieno::optim::AdamW optimizer(model.parameters(), {.learning_rate = 1e-3});
  ripieno::DataParallel parallel(model, optimizer, session.communicator());
  ripieno::Run run("runs/small_gpt", session, model, optimizer, loader,
                   {.steps = 500, .progress = stdout, .messages = stderr});

  while (auto batch = run.next()) {  // from where the run stood: it saves, logs and obeys signals
    auto loss = model.loss(batch->inputs, batch->targets);  // a sum and a count, so that means
    parallel.backward(loss);  // are right on any ranks; gradients are reduced while it runs
    parallel.step();
    run.log(loss);
  }
  return run.exit_status();
}

int main(int argc, char** argv) {  // one line and an exit status where something goes wrong
  return ripieno::run_program([&] { return train(argc, argv); });
}
