#include <fmt/format.h>

#include "ripieno/core/models/llama.h"
#include "ripieno/tools/convert/model_family.h"
#include "ripieno/tools/sources/foreign_json.h"

namespace ripieno::tools {
namespace {

using nlohmann::json;

constexpr int64_t kStandardContext = 2048;  // of transformers

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

// For what nn::Llama does not vary. An absent `key` means `ours`.
void require_same(const json& config, const char* key, const json& ours) {
  const json value = config.value(key, json());
  if (!value.is_null() && value != ours)
    refuse_model(fmt::format("its {} is {}; only {} is supported", key, value.dump(), ours.dump()));
}

bool has_query_bias(const Shapes& shapes) { return shapes.contains("blocks.0.query.bias"); }
bool has_head_norms(const Shapes& shapes) { return shapes.contains("blocks.0.query_norm.weight"); }

// Compares names and shapes with those of an nn::Llama, which allocates no memory when constructed.
void require_layout_of(const nn::LlamaOptions& options, const Shapes& shapes) {
  nn::Llama model(options);
  const auto layout = model.parameters().shared_layout();
  for (const auto& entry : layout->entries()) {
    const auto found = shapes.find(entry.name);
    if (found == shapes.end()) refuse_model(fmt::format("{} is missing", entry.name));
    if (found->second != entry.shape)
      refuse_model(fmt::format("{} has shape {}; in a Llama of this config.json it is {}",
                               entry.name, to_string(found->second), to_string(entry.shape)));
  }
}

double number_in(const json& config, const char* key, double standard) {
  const json& value = member(config, key);
  if (value.is_null()) return standard;
  if (!value.is_number()) refuse_model(fmt::format("{} in config.json is not a number", key));
  return value.get<double>();
}

// rope_parameters since transformers 5, rope_theta and rope_scaling before.
RotaryFrequencies rotary_of(const json& config) {
  const json& parameters = member(config, "rope_parameters");
  const json& scaling = parameters.is_object() ? parameters : member(config, "rope_scaling");
  RotaryFrequencies rotary;
  rotary.base = number_in(parameters, "rope_theta", number_in(config, "rope_theta", rotary.base));
  if (!scaling.is_object()) return rotary;
  json type = member(scaling, "rope_type");
  if (type.is_null()) type = member(scaling, "type");
  if (type.is_null() || type == "default") return rotary;
  if (type != "llama3")
    refuse_model(
        fmt::format("its rope_type is {}; must be \"default\" or \"llama3\"", type.dump()));
  rotary.factor = number_in(scaling, "factor", 1.0);
  rotary.low = number_in(scaling, "low_freq_factor", rotary.low);
  rotary.high = number_in(scaling, "high_freq_factor", rotary.high);
  rotary.original_context =
      number_in(scaling, "original_max_position_embeddings", rotary.original_context);
  return rotary;
}

nn::LlamaOptions options_of(const json& config, const Shapes& shapes) {
  const int64_t heads = count_in(config, "num_attention_heads");
  nn::LlamaOptions options{.vocab = size_in(shapes, "tokens.weight", 0),
                           .layers = blocks_in(shapes),
                           .heads = heads,
                           .key_value_heads = member(config, "num_key_value_heads").is_null()
                                                  ? heads
                                                  : count_in(config, "num_key_value_heads"),
                           .channels = size_in(shapes, "tokens.weight", 1),
                           .hidden = size_in(shapes, "blocks.0.gate.weight", 0),
                           .context = member(config, "max_position_embeddings").is_null()
                                          ? kStandardContext
                                          : count_in(config, "max_position_embeddings"),
                           .epsilon = number_in(config, "rms_norm_eps", 1e-6),
                           .rotary = rotary_of(config),
                           .ties_head = !shapes.contains("head.weight"),
                           .qkv_bias = has_query_bias(shapes),
                           .normalizes_heads = has_head_norms(shapes)};
  if (!member(config, "head_dim").is_null()) options.head_size = count_in(config, "head_dim");
  require_same(config, "hidden_act", "silu");
  require_same(config, "use_sliding_window", false);
  require_same(config, "mlp_bias", false);
  require_layout_of(options, shapes);
  return options;
}

json our_model(const nn::LlamaOptions& o) {
  return {{"kind", "llama"},
          {"vocab", o.vocab},
          {"layers", o.layers},
          {"heads", o.heads},
          {"key_value_heads", o.key_value_heads},
          {"head_size", o.head_size},
          {"channels", o.channels},
          {"hidden", o.hidden},
          {"context", o.context},
          {"epsilon", o.epsilon},
          {"tied_head", o.ties_head},
          {"qkv_bias", o.qkv_bias},
          {"head_norm", o.normalizes_heads},
          {"rotary_base", o.rotary.base},
          {"rotary_factor", o.rotary.factor},
          {"rotary_low", o.rotary.low},
          {"rotary_high", o.rotary.high},
          {"rotary_original_context", o.rotary.original_context}};
}

// From the configuration that the model was trained with.
json configuration_of(const json& model, const Shapes& shapes) {
  const int64_t heads = count_in(model, "heads");
  const int64_t channels = size_in(shapes, "tokens.weight", 1);
  const bool bias = has_query_bias(shapes), norms = has_head_norms(shapes);
  if (bias && norms) refuse_model("transformers has no model with qkv_bias and head_norm");
  const char* const type = norms ? "qwen3" : bias ? "qwen2" : "llama";
  const char* const name = norms  ? "Qwen3ForCausalLM"
                           : bias ? "Qwen2ForCausalLM"
                                  : "LlamaForCausalLM";
  const int64_t head_size = size_in(shapes, "blocks.0.query.weight", 0) / heads;
  if (bias && head_size * heads != channels)
    refuse_model("a Qwen 2 has heads of size channels / heads; model.head_size differs");
  const double factor = number_in(model, "rotary_factor", 1.0);
  json config = {{"model_type", type},
                 {"architectures", {name}},
                 {"hidden_act", "silu"},
                 {"hidden_size", channels},
                 {"intermediate_size", size_in(shapes, "blocks.0.gate.weight", 0)},
                 {"num_hidden_layers", blocks_in(shapes)},
                 {"num_attention_heads", heads},
                 {"num_key_value_heads", size_in(shapes, "blocks.0.key.weight", 0) / head_size},
                 {"head_dim", head_size},
                 {"max_position_embeddings", count_in(model, "context")},
                 {"rms_norm_eps", number_in(model, "epsilon", 1e-5)},
                 {"rope_theta", number_in(model, "rotary_base", 10000.0)},
                 {"rope_scaling", nullptr},
                 {"tie_word_embeddings", !shapes.contains("head.weight")},
                 {"attention_bias", false},
                 {"attention_dropout", 0.0},
                 {"use_cache", true},
                 {"initializer_range", 0.02},
                 {"bos_token_id", nullptr},
                 {"eos_token_id", nullptr},
                 {"vocab_size", size_in(shapes, "tokens.weight", 0)}};
  if (factor != 1.0) {
    config["rope_scaling"] = {
        {"rope_type", "llama3"},
        {"factor", factor},
        {"low_freq_factor", number_in(model, "rotary_low", 1.0)},
        {"high_freq_factor", number_in(model, "rotary_high", 4.0)},
        {"original_max_position_embeddings",
         static_cast<int64_t>(number_in(model, "rotary_original_context", 8192.0))}};
  }
  return config;
}

json their_configuration(const json& source, const Shapes& shapes, const json& ours) {
  if (source.is_object()) {
    require_sizes(source, shapes);
    return source;
  }
  const json model = member(ours, "model");
  if (member(model, "kind") == "llama") return configuration_of(model, shapes);
  refuse_model(
      "the config.json of a Llama cannot be derived from its tensors, and this checkpoint has "
      "neither one nor the configuration of a training run");
}

json our_configuration(const json& config, const Shapes& shapes, const json& kept) {
  if (!config.is_object())
    refuse_model("a Llama requires a config.json in the directory of its weights; there is none");
  require_sizes(config, shapes);
  json model = member(kept, "model").is_object() ? member(kept, "model") : json::object();
  model.update(our_model(options_of(config, shapes)));
  return model;
}

}  // namespace

const ModelFamily& llama_family() {
  constexpr bool kPlain = false, kOptional = true;
  static const ModelFamily family{
      .model_types = {"llama", "qwen2", "qwen3"},
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
                {"blocks.#.query_norm.weight", "model.layers.#.self_attn.q_norm.weight", kPlain,
                 kOptional},
                {"blocks.#.key_norm.weight", "model.layers.#.self_attn.k_norm.weight", kPlain,
                 kOptional}},
      .ignored = {{"", "model.layers.#.self_attn.rotary_emb.inv_freq"}},  // a constant
      .their_prefix = "model.",
      .their_tied_head = "",
      .their_embedding = "model.embed_tokens.weight",
      .their_configuration = their_configuration,
      .our_configuration = our_configuration};
  return family;
}

}  // namespace ripieno::tools
