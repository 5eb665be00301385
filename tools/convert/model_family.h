// ModelFamily: how the tensors and the configuration of one kind of model are named here and in
// Hugging Face's transformers. `ours` and `theirs` mean these two throughout.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "ripieno/core/shape.h"
#include "ripieno/tools/convert/name_rules.h"

namespace ripieno::tools {

using Shapes = std::map<std::string, Shape>;  // of a model's tensors, by our name

struct ModelFamily {
  std::vector<std::string_view> model_types;  // in config.json; the first one names the family
  // A tensor by which the family is recognized: no other has it.
  std::string_view our_landmark, their_landmark;
  NameRules rules;
  NameRules ignored;  // tensors to skip: only `theirs` is used
  // Begins their names; files saved without the head lack it in all names.
  std::string their_prefix;
  // The head, if it is always the same tensor as their_embedding; empty if it may differ.
  std::string their_tied_head, their_embedding;

  // The content of config.json, except for the element type. `source`: the config.json that the
  // model was converted from, or null; `ours`: the configuration that it was trained with, or null.
  // Throws ConfigurationError if transformers has no such model.
  nlohmann::json (*their_configuration)(const nlohmann::json& source, const Shapes& shapes,
                                        const nlohmann::json& ours);
  // The section "model" of our configuration. `config`: config.json, or null; `kept`: the
  // configuration from before the model was converted from ours, or null. Throws
  // ConfigurationError if ours cannot express the model.
  nlohmann::json (*our_configuration)(const nlohmann::json& config, const Shapes& shapes,
                                      const nlohmann::json& kept);
};

const ModelFamily& gpt2_family();
const ModelFamily& llama_family();

// The size of an axis. Throws ConfigurationError if there is no such tensor or axis.
int64_t size_in(const Shapes& shapes, const std::string& name, int axis);
// Throws ConfigurationError unless config.json has `found`, the size in the tensors, under `key`.
void require_size(const nlohmann::json& config, const char* key, int64_t found);
// The number of blocks, by the names blocks.0, blocks.1, ...
int64_t blocks_in(const Shapes& shapes);

// Throws ConfigurationError with the reason `why` the model cannot be converted.
[[noreturn]] void refuse_model(const std::string& why);

}  // namespace ripieno::tools
