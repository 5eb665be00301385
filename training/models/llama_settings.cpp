#include "ripieno/training/models/llama_settings.h"

#include "ripieno/core/error.h"

namespace ripieno {

void LlamaSettings::bind(Settings& settings) {
  bind_shared(settings, &kind, &options.vocab, &options.layers, &options.heads, &options.channels,
              &options.context, &options.recompute);
  constexpr double kLargest = 1 << 20;
  settings.add("model.key_value_heads", &options.key_value_heads,
               "number of heads of keys and values, a divisor of model.heads; 0: model.heads",
               Accepts::between(0, kLargest));
  settings.add("model.head_size", &options.head_size,
               "width of an attention head, even; 0: model.channels / model.heads",
               Accepts::between(0, kLargest));
  settings.add("model.hidden", &options.hidden,
               "width of the feed-forward network; 0: 8/3 of model.channels, rounded up to a "
               "multiple of 32",
               Accepts::between(0, 1 << 22));
  settings.add("model.epsilon", &options.epsilon, "epsilon of the RMS norms",
               Accepts::between(0, 1));
  settings.add("model.tied_head", &options.ties_head, "whether the head is the token embedding");
  settings.add("model.qkv_bias", &options.qkv_bias,
               "whether queries, keys and values have a bias, as in Qwen 2");
  settings.add("model.head_norm", &options.normalizes_heads,
               "whether queries and keys are normalized by head, as in Qwen 3");
  RotaryFrequencies& rotary = options.rotary;
  settings.add("model.rotary_base", &rotary.base, "base of the rotary frequencies",
               Accepts::positive());
  settings.add("model.rotary_factor", &rotary.factor,
               "factor by which Llama 3.1 lengthens the context: divides low rotary frequencies; 1 "
               "disables it",
               Accepts::positive());
  settings.add("model.rotary_low", &rotary.low,
               "turns in the original context below which a frequency is low", Accepts::positive());
  settings.add("model.rotary_high", &rotary.high,
               "turns in the original context above which a frequency is unchanged",
               Accepts::positive());
  settings.add("model.rotary_original_context", &rotary.original_context,
               "context length that the model was first trained with, in tokens",
               Accepts::positive());
}

std::unique_ptr<nn::LanguageModel> LlamaSettings::build_for(int64_t data_vocabulary) const {
  return std::make_unique<nn::Llama>(options_for(data_vocabulary));
}

nn::LlamaOptions LlamaSettings::options_for(int64_t data_vocabulary) const {
  nn::LlamaOptions fitted = options;
  fitted.vocab = fitted_vocabulary(options.vocab, data_vocabulary);
  if (fitted.key_value_heads == 0) fitted.key_value_heads = fitted.heads;
  if (fitted.hidden == 0) fitted.hidden = (8 * fitted.channels + 95) / 96 * 32;
  return fitted;
}

// The tensors of a block (core/models/llama.cpp) for one token: the sums and norms of two residual
// connections 4 channels, the rotated queries and keys, the values, attention, and gate, up and
// their product 3 hidden.
ModelWork LlamaSettings::work(const DataShape& data) const {
  const nn::LlamaOptions o = options_for(data.vocabulary);
  const int64_t time = o.context, u = time * o.channels, f = time * o.hidden;
  const int64_t queries = o.heads * o.size_of_head(), keys = o.key_value_heads * o.size_of_head();
  const bool again = o.recompute == nn::Recompute::blocks;
  const auto layer = [&](int64_t inputs, int64_t outputs, int64_t times = 1) {
    return ModelWork::Product{time, inputs, outputs, times * o.layers, true, again};
  };
  const int64_t whole = again ? 1 : o.layers;  // blocks whose tensors exist at once
  ModelWork work{.unit = "tokens", .units = time};
  work.products = {layer(o.channels, queries),
                   layer(o.channels, keys, 2),
                   layer(queries, o.channels),
                   layer(o.channels, o.hidden, 2),
                   layer(o.hidden, o.channels),
                   {time, o.channels, o.vocab, 1, true, false, /*is_all_in_forward=*/true}};
  work.attention = {{time, queries, o.layers, again}};
  work.kept = {{u, 4 * whole},
               {time * queries, 2 * whole},
               {time * keys, 2 * whole},
               {f, 3 * whole},
               {time, 2 * whole, true},  // of the norms
               {2 * o.heads * time, whole, true},
               {time, 1, true},
               {u, 3}};  // the last norm, and the gradient that the loss has computed
  if (o.normalizes_heads) {
    work.kept.push_back({time * (queries + keys), whole});
    work.kept.push_back({time * (o.heads + o.key_value_heads), whole, true});
  }
  if (again) work.kept.push_back({u, o.layers});
  work.in_backward = {{f, 3}, {time * queries, 1}, {time * keys, 2}, {u, 3}};
  // The gradient of the head, and the table of rotary positions.
  work.float32_per_batch = o.vocab * o.channels + time * o.size_of_head();
  work.ties_embedding = o.ties_head;
  work.logits_per_row = o.vocab;
  work.rows_of_logits = time;
  work.element_wise_passes = static_cast<double>((2 * o.layers + 1) * 8 * u +
                                                 o.layers * (8 * f + 4 * time * (queries + keys)) +
                                                 2 * o.vocab * time + 4 * u);
  work.bytes_of_batch = 8 * time;  // ids and targets
  return work;
}

}  // namespace ripieno
