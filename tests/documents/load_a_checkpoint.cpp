// The snippet of docs/load_a_checkpoint.md.
#include <ripieno/ripieno.h>

#include <cstdio>
#include <nlohmann/json.hpp>

#include "documents/expect.h"

using namespace ripieno;

struct Classifier final : nn::Module {
  nn::Mlp encoder{{4, 8, 8}};
  nn::Linear head{8, 3};
  Classifier() {
    add("encoder", encoder);
    add("head", head);
  }
  Tensor forward(const Tensor& x) const override { return head(encoder(x)); }
};

// One layer more than the encoder above.
std::vector<int64_t> larger() { return {4, 8, 8, 8}; }

std::vector<float> numbers(const Parameters& parameters, std::size_t index) {
  return parameters.tensors()[index].to_vector<float>();
}

void save(Session& session, nn::Module& trained) {
  io::save_checkpoint(io::local_files(), "runs/small/checkpoints", 1000,
                      io::share_of(state_of(trained), session.rank(), session.size()),
                      nlohmann::json::object(),
                      {.rank = session.rank(), .size = session.size(), .attempt = "1"});
  session.communicator().barrier();  // rank 0 has committed it
}

void load(Classifier& model, nn::Mlp& encoder) {
  const auto checkpoint =
      io::Checkpoint::open(io::local_files(), "runs/small/checkpoints/step_00001000");
  checkpoint.load(state_of(model));  // everything must match
  const auto report = checkpoint.load(state_of(encoder), {.prefix = "encoder.", .strict = false});
  for (const auto& name : report.missing) std::fprintf(stderr, "not loaded: %s\n", name.c_str());
  expect(report.missing.size() == 2, "only the weight and the bias of the last layer are missing");
}

int save_and_load(int argc, char** argv) {
  Session session(argc, argv);
  session.release_signals();
  random_context().seed = 1;
  Classifier trained;
  trained.to(Device::cpu());
  save(session, trained);

  random_context().seed = 2;
  Classifier model;
  nn::Mlp encoder(larger()), untouched(larger());
  for (nn::Module* module : {static_cast<nn::Module*>(&model), static_cast<nn::Module*>(&encoder),
                             static_cast<nn::Module*>(&untouched)})
    module->to(Device::cpu());
  const Parameters wanted = trained.parameters(), loaded = model.parameters();
  expect(numbers(loaded, 0) != numbers(wanted, 0), "the initial values differ");
  load(model, encoder);
  for (std::size_t i = 0; i < wanted.tensors().size(); ++i)
    expect(numbers(loaded, i) == numbers(wanted, i), "a loaded tensor has the saved values");
  const Parameters part = encoder.parameters(), initial = untouched.parameters();
  for (std::size_t i = 0; i < 4; ++i)
    expect(numbers(part, i) == numbers(wanted, i), "the encoder has the saved values");
  expect(numbers(part, 4) == numbers(initial, 4), "what is missing keeps its initial value");
  return 0;
}

int main(int argc, char** argv) {
  return run_program([&] { return save_and_load(argc, argv); });
}
