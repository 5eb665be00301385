// Model families: what hugging_face.h knows of each.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "ripieno/core/shape.h"
#include "ripieno/tools/convert/name_rules.h"

namespace ripieno::tools {

using Shapes = std::map<std::string, Shape>;  // of a model's tensors, by our names

struct ModelFamily {
  std::string_view model_type;  // of config.json
  // A tensor that only this family has.
  std::string_view our_landmark, their_landmark;
  NameRules rules;
  NameRules without_meaning;  // only `theirs`: left out
  // Their files may lack it, all names at once.
  std::string their_prefix;
  // A tensor that may only repeat their_embedding; empty where the head is the model's own.
  std::string their_tied_head, their_embedding;

  // What config.json says, but for the element type. `source`: what the one said that the model
  // came with, or null; `ours`: the configuration that it was trained with, or null. Throws
  // ConfigurationError where the model cannot be expressed.
  nlohmann::json (*their_configuration)(const nlohmann::json& source, const Shapes& shapes,
                                        const nlohmann::json& ours);
  // The section "model" of our configuration. `config`: config.json, or null; `kept`: our
  // configuration, where the model was ours before, or null. Throws ConfigurationError.
  nlohmann::json (*our_configuration)(const nlohmann::json& config, const Shapes& shapes,
                                      const nlohmann::json& kept);
};

const ModelFamily& gpt2_family();
const ModelFamily& llama_family();

// The size of an axis. Throws ConfigurationError where there is no such tensor or axis.
int64_t size_in(const Shapes& shapes, const std::string& name, int axis);
// Throws ConfigurationError where config.json says another size than the tensors do.
void require_size(const nlohmann::json& config, const char* key, int64_t found);
// How many blocks there are, from blocks.0 on.
int64_t blocks_in(const Shapes& shapes);

// Throws ConfigurationError.
[[noreturn]] void differ(const std::string& how);

}  // namespace ripieno::tools
