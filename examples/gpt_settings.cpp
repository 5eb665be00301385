#include "gpt_settings.h"

#include <fmt/format.h>

#include "ripieno/core/error.h"

namespace examples {

using ripieno::Accepts;

void bind(ripieno::Settings& settings, GptSettings& gpt) {
  settings.add("model.kind", &gpt.kind, "which", Accepts::one_of({"gpt"}));
  settings.add("model.vocab", &gpt.model.vocab, "tokens it knows; 0: those of the data",
               Accepts::between(0, 1 << 30));
  settings.add("model.layers", &gpt.model.layers, "blocks", Accepts::between(1, 1 << 20));
  settings.add("model.heads", &gpt.model.heads, "of attention, in each block",
               Accepts::between(1, 1 << 20));
  settings.add("model.channels", &gpt.model.channels, "a multiple of model.heads",
               Accepts::between(1, 1 << 20));
  settings.add("model.context", &gpt.model.context, "tokens that it sees at once",
               Accepts::between(1, 1 << 20));
  settings.add("model.dropout", &gpt.model.dropout, "share dropped while training",
               Accepts::between(0, 0.99));
  settings.add("train.recompute", &gpt.recompute,
               "what backward computes again, for less memory (activation checkpointing)",
               Accepts::one_of({"none", "blocks"}));
  settings.may_change("model.vocab");  // shapes tell it
  settings.may_change("model.dropout");
}

void bind(ripieno::Settings& settings, TextSettings& text) {
  settings.add("data.path", &text.path, "a text, or a token file");
  settings.add("data.tokenizer", &text.tokenizer, "of a text",
               Accepts::one_of({"characters", "bytes"}));
  settings.add("data.validation_fraction", &text.validation_fraction,
               "the last part, held out from training", Accepts::between(0, 0.99));
  settings.add("data.sampling", &text.sampling, "windows anywhere, or each once an epoch",
               Accepts::one_of({"random", "epoch"}));
}

ripieno::nn::GptOptions model_options(const GptSettings& gpt, int64_t data_vocabulary) {
  auto options = gpt.model;
  if (gpt.recompute == "blocks") options.recompute = ripieno::nn::Recompute::blocks;
  if (options.vocab == 0) options.vocab = data_vocabulary;
  if (options.vocab < data_vocabulary) {
    throw ripieno::ConfigurationError(
        fmt::format("model.vocab is {}, but the data has {} tokens; leave it at 0, or raise it",
                    options.vocab, data_vocabulary));
  }
  return options;
}

}  // namespace examples
