// The names and the config.json under which Hugging Face's transformers knows a model of ours, both
// ways: GPT-2, which is nn::Gpt, and Llama, for which only names exist so far.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "ripieno/tools/sources/tensor_source.h"

namespace ripieno::tools {

// A tensor of a source under another name; where `is_transposed` a matrix with its axes exchanged.
struct Renamed {
  std::size_t index;  // in the source
  std::string name;
  bool is_transposed = false;
};

struct HuggingFaceModel {
  std::vector<Renamed> tensors;
  nlohmann::json config;  // of config.json, but for the element type
};

struct OurModel {
  std::vector<Renamed> tensors;
  nlohmann::json training_state;  // has the model's configuration, and the config.json it came with
  std::vector<std::string> left_out;  // tensors that say nothing: masks, a tied head's copy
};

// Of a checkpoint's parameters. Throws ConfigurationError that says what transformers has no
// counterpart for.
HuggingFaceModel to_hugging_face(const TensorSource& ours);

// Throws ConfigurationError that says what this model has which ours have not.
OurModel from_hugging_face(const TensorSource& theirs);

}  // namespace ripieno::tools
