#include "ripieno/training/models/gpt_settings.h"

#include "ripieno/core/error.h"

namespace ripieno {
void GptSettings::bind(Settings& settings) {
  bind_shared(settings, &kind, &options.vocab, &options.layers, &options.heads, &options.channels,
              &options.context, &options.recompute);
  settings.add("model.dropout", &options.dropout,
               "dropout probability during training; 0 disables dropout",
               Accepts::between(0, 0.99));
  settings.may_change("model.dropout");
}

std::unique_ptr<nn::LanguageModel> GptSettings::build_for(int64_t data_vocabulary) const {
  return std::make_unique<nn::Gpt>(options_for(data_vocabulary));
}

// The tensors of a block (core/models/gpt.cpp), in units of u = time x channels: the sums and norms
// of two residual connections 4 u, queries, keys and values 3 u, attention u, feed-forward 8 u.
ModelWork GptSettings::work(const DataShape& data) const {
  const nn::GptOptions o = options_for(data.vocabulary);
  const int64_t time = o.context, u = time * o.channels;
  const bool again = o.recompute == nn::Recompute::blocks;
  const auto layer = [&](int64_t inputs, int64_t outputs) {
    return ModelWork::Product{time, inputs, outputs, o.layers, true, again};
  };
  const int64_t whole = again ? 1 : o.layers;  // blocks whose tensors exist at once
  ModelWork work{.unit = "tokens", .units = time};
  work.products = {layer(o.channels, 3 * o.channels),
                   layer(o.channels, o.channels),
                   layer(o.channels, 4 * o.channels),
                   layer(4 * o.channels, o.channels),
                   {time, o.channels, o.vocab, 1, true, false, /*is_all_in_forward=*/true}};
  work.attention = {{time, o.channels, o.layers, again}};
  work.kept = {{u, 5 * whole},           // sums, norms, attention
               {3 * u, whole},           // queries, keys and values
               {4 * u, 2 * whole},       // before and after GELU
               {time, 4 * whole, true},  // means and deviations
               {2 * o.heads * time, whole, true},
               {u, 3}};  // the last norm, and the gradient that the loss has computed
  if (again) work.kept.push_back({u, o.layers});
  work.in_backward = {{4 * u, 1}, {3 * u, 1}, {u, 3}};
  work.float32_per_batch = o.vocab * o.channels;  // the gradient of the head
  work.ties_embedding = true;
  work.logits_per_row = o.vocab;
  work.rows_of_logits = time;
  work.element_wise_passes =
      static_cast<double>((2 * o.layers + 1) * 8 * u + 2 * o.vocab * time + 5 * u);
  work.bytes_of_batch = 8 * time;  // ids and targets
  return work;
}

nn::GptOptions GptSettings::options_for(int64_t data_vocabulary) const {
  nn::GptOptions fitted = options;
  fitted.vocab = fitted_vocabulary(options.vocab, data_vocabulary);
  return fitted;
}

}  // namespace ripieno
