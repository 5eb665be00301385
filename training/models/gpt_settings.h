// GptSettings: the configuration keys of a GPT (core/models/gpt.h).
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "ripieno/core/models/gpt.h"
#include "ripieno/training/models/language_model_settings.h"

namespace ripieno {

struct GptSettings final : LanguageModelSettings {
  void bind(Settings& settings) override;
  std::unique_ptr<nn::LanguageModel> build_for(int64_t data_vocabulary) const override;
  ModelWork work(const DataShape& data) const override;
  int64_t context() const override { return options.context; }
  int64_t vocab() const override { return options.vocab; }
  // The options with model.vocab = 0 replaced by the vocabulary size of the data. Throws
  // ConfigurationError if model.vocab is smaller than that.
  nn::GptOptions options_for(int64_t data_vocabulary) const;

  std::string kind = "gpt";
  nn::GptOptions options{.vocab = 0, .layers = 4, .heads = 4, .channels = 128, .context = 64};
};

}  // namespace ripieno
