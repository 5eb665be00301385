#include <fmt/format.h>

#include "ripieno/tools/convert/model_family.h"
#include "ripieno/tools/sources/foreign_json.h"

namespace ripieno::tools {
namespace {

using nlohmann::json;

int64_t count_in(const json& config, const char* key) {
  const json& count = member(config, key);
  if (!count.is_number_integer() || count <= 0 || count > INT64_MAX)
    refuse_model(fmt::format("{} in config.json is missing or not a positive integer", key));
  return count.get<int64_t>();
}

// Sizes that follow from the tensors must agree with config.json. Rotary embedding, epsilon and the
// like are in config.json only.
void require_sizes(const json& config, const Shapes& shapes) {
  require_size(config, "hidden_size", size_in(shapes, "tokens.weight", 1));
  require_size(config, "vocab_size", size_in(shapes, "tokens.weight", 0));
  require_size(config, "num_hidden_layers", blocks_in(shapes));
  require_size(config, "intermediate_size", size_in(shapes, "blocks.0.gate.weight", 0));
  const int64_t queries = size_in(shapes, "blocks.0.query.weight", 0);
  const int64_t heads = count_in(config, "num_attention_heads");
  if (queries % heads != 0)
    refuse_model(fmt::format("the query weight has {} rows, which is not a multiple of {} heads",
                             queries, heads));
}

json their_configuration(const json& source, const Shapes& shapes, const json&) {
  if (!source.is_object())
    refuse_model(
        "the config.json of a Llama cannot be derived from its tensors, and this checkpoint has "
        "none because it was not converted from Hugging Face files");
  require_sizes(source, shapes);
  return source;
}

json our_configuration(const json& config, const Shapes& shapes, const json&) {
  if (!config.is_object())
    refuse_model("a Llama requires a config.json in the directory of its weights; there is none");
  require_sizes(config, shapes);
  const int64_t heads = count_in(config, "num_attention_heads");
  return {{"kind", "llama"},
          {"vocab", config["vocab_size"]},
          {"layers", config["num_hidden_layers"]},
          {"heads", heads},
          {"key_value_heads", config.value("num_key_value_heads", json(heads))},
          {"channels", config["hidden_size"]},
          {"hidden", config["intermediate_size"]},
          {"context", member(config, "max_position_embeddings")}};
}

}  // namespace

const ModelFamily& llama_family() {
  constexpr bool kPlain = false, kOptional = true;
  static const ModelFamily family{
      .model_type = "llama",
      .our_landmark = "blocks.0.gate.weight",
      .their_landmark = "model.layers.0.mlp.gate_proj.weight",
      .rules = {{"tokens.weight", "model.embed_tokens.weight"},
                {"blocks.#.norm1.weight", "model.layers.#.input_layernorm.weight"},
                {"blocks.#.query.weight", "model.layers.#.self_attn.q_proj.weight"},
                {"blocks.#.key.weight", "model.layers.#.self_attn.k_proj.weight"},
                {"blocks.#.value.weight", "model.layers.#.self_attn.v_proj.weight"},
                {"blocks.#.projection.weight", "model.layers.#.self_attn.o_proj.weight"},
                {"blocks.#.norm2.weight", "model.layers.#.post_attention_layernorm.weight"},
                {"blocks.#.gate.weight", "model.layers.#.mlp.gate_proj.weight"},
                {"blocks.#.up.weight", "model.layers.#.mlp.up_proj.weight"},
                {"blocks.#.down.weight", "model.layers.#.mlp.down_proj.weight"},
                {"norm.weight", "model.norm.weight"},
                {"head.weight", "lm_head.weight", kPlain, kOptional},
                {"blocks.#.query.bias", "model.layers.#.self_attn.q_proj.bias", kPlain, kOptional},
                {"blocks.#.key.bias", "model.layers.#.self_attn.k_proj.bias", kPlain, kOptional},
                {"blocks.#.value.bias", "model.layers.#.self_attn.v_proj.bias", kPlain, kOptional},
                {"blocks.#.projection.bias", "model.layers.#.self_attn.o_proj.bias", kPlain,
                 kOptional},
                {"blocks.#.gate.bias", "model.layers.#.mlp.gate_proj.bias", kPlain, kOptional},
                {"blocks.#.up.bias", "model.layers.#.mlp.up_proj.bias", kPlain, kOptional},
                {"blocks.#.down.bias", "model.layers.#.mlp.down_proj.bias", kPlain, kOptional}},
      .ignored = {{"", "model.layers.#.self_attn.rotary_emb.inv_freq"}},  // a constant
      .their_prefix = "model.",
      .their_tied_head = "",
      .their_embedding = "model.embed_tokens.weight",
      .their_configuration = their_configuration,
      .our_configuration = our_configuration};
  return family;
}

}  // namespace ripieno::tools
