#include "ripieno/training/models/gpt_settings.h"

#include <fmt/format.h>

#include "ripieno/core/error.h"

namespace ripieno {

void GptSettings::bind(Settings& settings) {
  settings.add("model.kind", &kind, "which", Accepts::one_of({"gpt"}));
  settings.add("model.vocab", &options.vocab, "tokens it knows; 0: those of the data",
               Accepts::between(0, 1 << 30));
  settings.add("model.layers", &options.layers, "blocks", Accepts::between(1, 1 << 20));
  settings.add("model.heads", &options.heads, "of attention, in each block",
               Accepts::between(1, 1 << 20));
  settings.add("model.channels", &options.channels, "a multiple of model.heads",
               Accepts::between(1, 1 << 20));
  settings.add("model.context", &options.context, "tokens that it sees at once",
               Accepts::between(1, 1 << 20));
  settings.add("model.dropout", &options.dropout, "share dropped while training",
               Accepts::between(0, 0.99));
  settings.add("train.recompute",
               choice(&options.recompute,
                      {{"none", nn::Recompute::none}, {"blocks", nn::Recompute::blocks}}),
               "what backward computes again, for less memory (activation checkpointing)");
  settings.may_change("model.vocab");  // shapes tell it
  settings.may_change("model.dropout");
}

std::unique_ptr<nn::Module> GptSettings::build(const DataShape& data) const {
  return std::make_unique<nn::Gpt>(options_for(data.vocabulary));
}

nn::GptOptions GptSettings::options_for(int64_t data_vocabulary) const {
  nn::GptOptions fitted = options;
  if (fitted.vocab == 0) fitted.vocab = data_vocabulary;
  if (fitted.vocab < data_vocabulary) {
    throw ConfigurationError(
        fmt::format("model.vocab is {}, but the data has {} tokens; leave it at 0, or raise it",
                    fitted.vocab, data_vocabulary));
  }
  return fitted;
}

}  // namespace ripieno
