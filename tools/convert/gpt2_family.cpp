#include <fmt/format.h>

#include <climits>

#include "ripieno/core/error.h"
#include "ripieno/core/models/gpt.h"
#include "ripieno/tools/convert/model_family.h"
#include "ripieno/tools/sources/foreign_json.h"

namespace ripieno::tools {
namespace {

using nlohmann::json;

constexpr double kEpsilon = 1e-5;  // of nn::LayerNorm
constexpr int64_t kGpt2Vocabulary = 50257;

// Compares names and shapes with those of an nn::Gpt, which allocates no memory when constructed.
void require_layout_of(const nn::GptOptions& options, const Shapes& shapes) {
  nn::Gpt model(options);
  const auto layout = model.parameters().shared_layout();
  for (const auto& entry : layout->entries()) {
    const auto found = shapes.find(entry.name);
    if (found == shapes.end()) refuse_model(fmt::format("{} is missing", entry.name));
    if (found->second != entry.shape)
      refuse_model(fmt::format("{} has shape {}; in a GPT-2 of {} channels it is {}", entry.name,
                               to_string(found->second), options.channels, to_string(entry.shape)));
  }
}

nn::GptOptions options_of(const Shapes& shapes, const json& heads, const json& dropout) {
  if (!heads.is_number_integer())
    refuse_model(
        "its number of heads is unknown: neither config.json nor the configuration of the training "
        "run has it");
  if (heads < 1 || heads > INT_MAX)
    refuse_model(
        fmt::format("its number of heads is {}; must be from 1 to {}", heads.dump(), INT_MAX));
  nn::GptOptions options{.vocab = size_in(shapes, "tokens.weight", 0),
                         .layers = blocks_in(shapes),
                         .heads = heads.get<int64_t>(),
                         .channels = size_in(shapes, "tokens.weight", 1),
                         .context = size_in(shapes, "positions.weight", 0),
                         .dropout = dropout.is_number() ? dropout.get<double>() : 0.0};
  require_layout_of(options, shapes);
  return options;
}

// For what nn::Gpt does not vary. An absent `key` means the default of transformers, `standard`.
void require_same(const json& config, const char* key, const json& ours, const json& standard) {
  const json value = config.value(key, standard);
  if (value != ours)
    refuse_model(fmt::format("its {} is {}; only {} is supported", key, value.dump(), ours.dump()));
}

// Checks the sizes that config.json has.
void require_sizes(const json& config, const nn::GptOptions& options) {
  const auto require = [&](const char* key, int64_t found) {
    if (config.contains(key)) require_size(config, key, found);
  };
  require("n_embd", options.channels);
  require("n_layer", options.layers);
  require("n_positions", options.context);
  require("n_ctx", options.context);
  require("vocab_size", options.vocab);
}

void require_expressible(const json& config, int64_t channels) {
  if (config.value("activation_function", json("gelu_new")) != "gelu_pytorch_tanh")
    require_same(config, "activation_function", "gelu_new", "gelu_new");
  require_same(config, "layer_norm_epsilon", kEpsilon, kEpsilon);
  require_same(config, "scale_attn_weights", true, true);
  require_same(config, "scale_attn_by_inverse_layer_idx", false, false);
  require_same(config, "add_cross_attention", false, false);
  if (config.value("n_inner", json()) != 4 * channels)
    require_same(config, "n_inner", json(), json());
}

json their_configuration(const json& source, const Shapes& shapes, const json& ours) {
  const json model = member(ours, "model");
  json heads = member(source, "n_head");
  if (heads.is_null()) heads = member(model, "heads");
  const auto options = options_of(shapes, heads, member(model, "dropout"));
  json config = {{"model_type", "gpt2"},
                 {"architectures", {"GPT2LMHeadModel"}},
                 {"activation_function", "gelu_new"},
                 {"layer_norm_epsilon", kEpsilon},
                 {"n_ctx", options.context},
                 {"n_inner", nullptr},
                 {"resid_pdrop", options.dropout},
                 {"embd_pdrop", options.dropout},
                 {"attn_pdrop", 0.0},
                 {"initializer_range", 0.02},
                 {"scale_attn_weights", true},
                 {"tie_word_embeddings", true}};
  // The default of transformers is not in a smaller vocabulary.
  if (options.vocab < kGpt2Vocabulary) config["bos_token_id"] = config["eos_token_id"] = nullptr;
  if (source.is_object()) config = source;
  config["vocab_size"] = options.vocab;
  config["n_positions"] = options.context;
  config["n_embd"] = options.channels;
  config["n_layer"] = options.layers;
  config["n_head"] = options.heads;
  return config;
}

json our_configuration(const json& config, const Shapes& shapes, const json& kept) {
  json heads = member(config, "n_head");
  const json kept_model = member(kept, "model");
  if (heads.is_null()) heads = member(kept_model, "heads");
  const auto options = options_of(shapes, heads, member(config, "resid_pdrop"));
  if (config.is_object()) {
    require_sizes(config, options);
    require_expressible(config, options.channels);
  }
  json model = kept_model.is_object() ? kept_model : json::object();
  model["kind"] = "gpt";
  model["layers"] = options.layers;
  model["heads"] = options.heads;
  model["channels"] = options.channels;
  model["context"] = options.context;
  if (!kept_model.is_object()) {
    model["vocab"] = options.vocab;
    model["dropout"] = options.dropout;
  }
  return model;
}

}  // namespace

const ModelFamily& gpt2_family() {
  // transformers' Conv1D has weights (in, out); nn::Linear has (out, in).
  constexpr bool kTransposed = true;
  static const ModelFamily family{
      .model_types = {"gpt2"},
      .our_landmark = "blocks.0.qkv.weight",
      .their_landmark = "transformer.h.0.attn.c_attn.weight",
      .rules = {{"tokens.weight", "transformer.wte.weight"},
                {"positions.weight", "transformer.wpe.weight"},
                {"blocks.#.norm1.weight", "transformer.h.#.ln_1.weight"},
                {"blocks.#.norm1.bias", "transformer.h.#.ln_1.bias"},
                {"blocks.#.qkv.weight", "transformer.h.#.attn.c_attn.weight", kTransposed},
                {"blocks.#.qkv.bias", "transformer.h.#.attn.c_attn.bias"},
                {"blocks.#.projection.weight", "transformer.h.#.attn.c_proj.weight", kTransposed},
                {"blocks.#.projection.bias", "transformer.h.#.attn.c_proj.bias"},
                {"blocks.#.norm2.weight", "transformer.h.#.ln_2.weight"},
                {"blocks.#.norm2.bias", "transformer.h.#.ln_2.bias"},
                {"blocks.#.up.weight", "transformer.h.#.mlp.c_fc.weight", kTransposed},
                {"blocks.#.up.bias", "transformer.h.#.mlp.c_fc.bias"},
                {"blocks.#.down.weight", "transformer.h.#.mlp.c_proj.weight", kTransposed},
                {"blocks.#.down.bias", "transformer.h.#.mlp.c_proj.bias"},
                {"norm.weight", "transformer.ln_f.weight"},
                {"norm.bias", "transformer.ln_f.bias"}},
      .ignored = {{"", "transformer.h.#.attn.bias"},  // the causal mask
                  {"", "transformer.h.#.attn.masked_bias"}},
      .their_prefix = "transformer.",
      .their_tied_head = "lm_head.weight",
      .their_embedding = "transformer.wte.weight",
      .their_configuration = their_configuration,
      .our_configuration = our_configuration};
  return family;
}

}  // namespace ripieno::tools
