// LlamaSettings: the configuration keys of a Llama (core/models/llama.h).
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "ripieno/core/models/llama.h"
#include "ripieno/training/models/language_model_settings.h"

namespace ripieno {

struct LlamaSettings final : LanguageModelSettings {
  void bind(Settings& settings) override;
  std::unique_ptr<nn::LanguageModel> build_for(int64_t data_vocabulary) const override;
  ModelWork work(const DataShape& data) const override;
  int64_t context() const override { return options.context; }
  int64_t vocab() const override { return options.vocab; }
  // The options with what is 0 replaced: model.vocab by the vocabulary size of the data,
  // model.key_value_heads by model.heads, model.hidden by 8/3 model.channels rounded up to a
  // multiple of 32. Throws ConfigurationError if model.vocab is smaller than that of the data.
  nn::LlamaOptions options_for(int64_t data_vocabulary) const;

  std::string kind = "llama";
  nn::LlamaOptions options{.vocab = 0,
                           .layers = 4,
                           .heads = 4,
                           .key_value_heads = 2,
                           .channels = 128,
                           .hidden = 0,
                           .context = 64};
};

}  // namespace ripieno
