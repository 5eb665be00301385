// GptSettings: what a configuration says of a GPT (core/models/gpt.h).
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "ripieno/core/models/gpt.h"
#include "ripieno/training/models/model_settings.h"

namespace ripieno {

struct GptSettings final : ModelSettings {
  void bind(Settings& settings) override;
  std::unique_ptr<nn::Module> build(const DataShape& data) const override;
  // With the vocabulary of the data where the configuration has none. Throws ConfigurationError
  // where it has one that is too small.
  nn::GptOptions options_for(int64_t data_vocabulary) const;

  std::string kind = "gpt";
  nn::GptOptions options{.vocab = 0, .layers = 4, .heads = 4, .channels = 128, .context = 64};
};

}  // namespace ripieno
