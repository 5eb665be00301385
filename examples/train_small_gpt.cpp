#include <ripieno/ripieno.h>

int train(int argc, char** argv) {
  ripieno::Session session(argc, argv);  // one rank, on the local rank's GPU or the CPU
  ripieno::TokenLoader loader("text.txt", {.batch_size = 12, .context = 64}, session);
  const auto vocab = loader.tokenizer().vocabulary_size();
  ripieno::nn::Gpt model({.vocab = vocab, .layers = 4, .heads = 4, .channels = 128, .context = 64});
  model.to(session.device());
  ripieno::optim::AdamW optimizer(model.parameters(), {.learning_rate = 1e-3});
  ripieno::DataParallel parallel(model, optimizer, session.communicator());
  ripieno::Run run("runs/small_gpt", session, model, optimizer, loader,
                   {.steps = 500, .progress = stdout, .messages = stderr});

  while (auto batch = run.next()) {  // resumes, saves, logs, and stops after a signal
    auto loss = model.loss(batch->inputs, batch->targets);  // sum and count of this rank's rows
    parallel.backward(loss);                                // gradients are reduced meanwhile
    parallel.step();
    run.log(loss);
  }
  return run.exit_status();
}

int main(int argc, char** argv) {  // errors: one line on stderr and an exit status
  return ripieno::run_program([&] { return train(argc, argv); });
}
