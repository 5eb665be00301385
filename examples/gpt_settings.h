// What a configuration says about a GPT and its text, for the programs that train one and that use
// it.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "ripieno/core/models/gpt.h"
#include "ripieno/io/data/token_loader.h"
#include "ripieno/training/settings/settings.h"

namespace examples {

struct GptSettings {
  std::string kind = "gpt";
  ripieno::nn::GptOptions model{
      .vocab = 0, .layers = 4, .heads = 4, .channels = 128, .context = 64};  // vocab 0: the data's
  std::string recompute = "none";
};

struct TextSettings {
  std::string path;
  std::string tokenizer = "characters";
  double validation_fraction = 0.1;
  std::string sampling = "random";
};

void bind(ripieno::Settings& settings, GptSettings& gpt);
void bind(ripieno::Settings& settings, TextSettings& text);

// With the vocabulary of the data where the configuration has none. Throws ConfigurationError where
// it has one that is too small.
ripieno::nn::GptOptions model_options(const GptSettings& gpt, int64_t data_vocabulary);

}  // namespace examples
