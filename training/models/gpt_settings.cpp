#include "ripieno/training/models/gpt_settings.h"

#include <fmt/format.h>

#include "ripieno/core/error.h"

namespace ripieno {

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
