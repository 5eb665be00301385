// Fine-tuning: loads an encoder from a checkpoint of another model, under other names, trains a new
// head on it while it is frozen, and then all of it.
#include <cstdio>
#include <nlohmann/json.hpp>
#include <random>
#include <string>

#include "ripieno/ripieno.h"

using namespace ripieno;

struct Model final : nn::Module {  // (rows, 2) -> (rows, outputs)
  nn::Sequential encoder{nn::Linear(2, 64, {.activation = Activation::kGelu}),
                         nn::Linear(64, 64, {.activation = Activation::kGelu})};
  nn::Linear head;
  Model(const std::string& name_of_encoder, int64_t outputs) : head(64, outputs) {
    add(name_of_encoder, encoder);
    add("head", head);
  }
  Tensor forward(const Tensor& x) const override { return head(encoder(x)); }
};

// Trains on the points x, and returns the last loss.
double train(const Model& model, optim::Optimizer& optimizer, const Tensor& x, const Tensor& y) {
  double last = 0;
  for (int step = 1; step <= 300; ++step) {
    const Tensor loss = mean(square(model(x) - y));
    loss.backward();
    optimizer.step();
    last = loss.item();
  }
  return last;
}

int fine_tune() {
  Tensor x({512, 2});
  fill_uniform(x, -1.0, 1.0, {.seed = 1});
  const Tensor waves = sin(x * 3.0);                                   // (512, 2)
  const Tensor product = waves.slice(1, 0, 1) * waves.slice(1, 1, 2);  // (512, 1)

  Model other("backbone", 2);  // what someone else has trained, on another task
  optim::AdamW its_optimizer(other.parameters(), {.learning_rate = 3e-3});
  train(other, its_optimizer, x, waves);
  io::save_checkpoint(io::local_files(), "pretrained", 300, state_of(other), {},
                      {.attempt = std::to_string(std::random_device()())});

  Model model("encoder", 1);
  const auto report =
      io::Checkpoint::open(io::local_files(), "pretrained/step_00000300")
          .load(state_of(model), {.rename = {{"backbone.", "encoder."}}, .strict = false});
  for (const auto& tensors : {report.missing, report.different})
    for (const auto& tensor : tensors) std::printf("not loaded: %s\n", tensor.c_str());

  optim::AdamW optimizer(model.parameters(), {.learning_rate = 3e-3});
  model.freeze("encoder.*");  // no gradients, no updates
  std::printf("encoder frozen: loss %.5f\n", train(model, optimizer, x, product));
  model.thaw();
  optimizer.set_learning_rate(1e-3);
  std::printf("all trained: loss %.5f\n", train(model, optimizer, x, product));
  return 0;
}

int main() { return run_program(fine_tune); }
