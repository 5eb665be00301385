// The snippet of docs/save_load_convert.md on weights.
#include <ripieno/ripieno.h>

#include <string>

#include "documents/expect.h"

using namespace ripieno;

// An Mlp whose layers have other names.
struct Renamed : nn::Module {
  nn::Linear first{4, 8, {.activation = Activation::kRelu}}, second{8, 3};
  Renamed() {
    add("blocks.0", first);
    add("blocks.1", second);
  }
  Tensor forward(const Tensor& x) const override { return second(first(x)); }
};

int weights() {
  nn::Mlp model({4, 8, 3});
  Renamed other;
  save_weights(model, "model.safetensors");
  load_weights(other, "model.safetensors", {.rename = {{"layers.", "blocks."}}});

  const Tensor x = Tensor::full({1, 4}, 0.5);
  expect(other(x).to_vector<float>() == model(x).to_vector<float>(), "both are the same function");
  return 0;
}

int main() { return run_program(weights); }
