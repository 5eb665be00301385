// Conversion of tensor names and configuration between Ripieno's models and those of Hugging Face's
// transformers, in both directions: GPT-2, which is nn::Gpt, and Llama, Qwen 2 and Qwen 3, which
// are nn::Llama.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "ripieno/tools/sources/tensor_source.h"

namespace ripieno::tools {

// A tensor of a source under a new name.
struct Renamed {
  std::size_t index;  // in the source
  std::string name;
  bool is_transposed = false;  // the tensor is a matrix whose axes are exchanged
};

struct HuggingFaceModel {
  std::vector<Renamed> tensors;
  nlohmann::json config;  // content of config.json, except for the element type
};

struct OurModel {
  std::vector<Renamed> tensors;
  nlohmann::json training_state;      // with the model's configuration and the original config.json
  std::vector<std::string> left_out;  // redundant tensors: masks, constants, copies of a tied head
};

// Renames a checkpoint's parameters. Throws ConfigurationError, which says why, if transformers has
// no such model.
HuggingFaceModel to_hugging_face(const TensorSource& ours);

// Throws ConfigurationError, which says why, if none of our models can express this one.
OurModel from_hugging_face(const TensorSource& theirs);

}  // namespace ripieno::tools
