#include "ripieno/training/models/gpt_settings.h"

#include <fmt/format.h>

#include <random>
#include <vector>

#include "ripieno/core/error.h"

namespace ripieno {
namespace {

Tensor random_ids(int64_t rows, const nn::GptOptions& options, unsigned seed) {
  std::mt19937 random(seed);
  std::uniform_int_distribution<int32_t> draw(0, static_cast<int32_t>(options.vocab - 1));
  std::vector<int32_t> ids(static_cast<std::size_t>(rows * options.context));
  for (int32_t& id : ids) id = draw(random);
  return Tensor::of<int32_t>({rows, options.context}, ids);
}

}  // namespace

void GptSettings::bind(Settings& settings) {
  settings.add("model.kind", &kind, "kind of model", Accepts::one_of({"gpt"}));
  settings.add("model.vocab", &options.vocab,
               "vocabulary size in tokens; 0: the vocabulary size of the data",
               Accepts::between(0, 1 << 30));
  settings.add("model.layers", &options.layers, "number of transformer blocks",
               Accepts::between(1, 1 << 20));
  settings.add("model.heads", &options.heads, "number of attention heads per block",
               Accepts::between(1, 1 << 20));
  settings.add("model.channels", &options.channels,
               "width of the model (size of an embedding); must be a multiple of model.heads",
               Accepts::between(1, 1 << 20));
  settings.add("model.context", &options.context,
               "context length: the maximum number of tokens in a sequence",
               Accepts::between(1, 1 << 20));
  settings.add("model.dropout", &options.dropout,
               "dropout probability during training; 0 disables dropout",
               Accepts::between(0, 0.99));
  settings.add("train.recompute",
               choice(&options.recompute,
                      {{"none", nn::Recompute::none}, {"blocks", nn::Recompute::blocks}}),
               "what the backward pass recomputes instead of keeping it in memory (activation "
               "checkpointing)");
  settings.may_change("model.vocab");  // another value changes shapes, which are compared anyway
  settings.may_change("model.dropout");
}

std::unique_ptr<nn::Module> GptSettings::build(const DataShape& data) const {
  return std::make_unique<nn::Gpt>(options_for(data.vocabulary));
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

std::function<Loss()> GptSettings::loss_of_random_rows(nn::Module& model, const DataShape& data,
                                                       int64_t rows) const {
  const auto& gpt = dynamic_cast<const nn::Gpt&>(model);
  const nn::GptOptions o = options_for(data.vocabulary);
  return [&gpt, ids = random_ids(rows, o, 1), targets = random_ids(rows, o, 2)] {
    return gpt.loss(ids, targets);
  };
}

nn::GptOptions GptSettings::options_for(int64_t data_vocabulary) const {
  nn::GptOptions fitted = options;
  if (fitted.vocab == 0) fitted.vocab = data_vocabulary;
  if (fitted.vocab < data_vocabulary) {
    throw ConfigurationError(fmt::format(
        "model.vocab is {}, but the vocabulary of the data has {} tokens; set it to 0 or to at "
        "least that number",
        fitted.vocab, data_vocabulary));
  }
  return fitted;
}

}  // namespace ripieno
