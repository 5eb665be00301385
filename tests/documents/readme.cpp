// The snippets of README.md. Its program is examples/train_small_gpt.cpp.
#include <ripieno/ripieno.h>

#include "documents/labeled_points.h"

// clang-format off
struct Classifier : ripieno::nn::Module {
  ripieno::nn::Linear hidden{64, 256, {.activation = ripieno::Activation::kRelu}}, out{256, 10};
  Classifier() { add("hidden", hidden); add("out", out); }
  ripieno::Tensor forward(const ripieno::Tensor& x) const override { return out(hidden(x)); }
};
// clang-format on

int train(int argc, char** argv) {
  ripieno::Session session(argc, argv);
  const auto [x, y] = ripieno::labeled_points(512, 64, 10);
  ripieno::io::MemoryLoader loader(
      x, y, {.batch_size = 32, .order = ripieno::io::shuffled(x.size(0), /*seed=*/1)}, session);
  Classifier model;
  model.to(session.device());
  ripieno::optim::AdamW optimizer(model.parameters(), {.learning_rate = 1e-3});
  ripieno::DataParallel parallel(model, optimizer, session.communicator());
  ripieno::Run run("runs/readme", session, model, optimizer, loader,
                   {.steps = 100, .progress = stdout, .messages = stderr});
  while (auto batch = run.next()) {
    auto loss = cross_entropy(model(batch->inputs), batch->targets);
    parallel.backward(loss);
    parallel.step();
    run.log(loss);
  }
  return run.exit_status();
}

int main(int argc, char** argv) {
  return ripieno::run_program([&] { return train(argc, argv); });
}
