// The values of model.kind: one row per kind of model, in model_kinds.cpp.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "ripieno/training/models/language_model_settings.h"
#include "ripieno/training/models/model_settings.h"

namespace ripieno {

// "gpt", "lenet", "llama", "mlp", "resnet18", "resnet20", "resnet50".
std::vector<std::string> model_kinds();
// The settings of a kind of model, with their default values. Throws ConfigurationError if `kind`
// is not one of model_kinds().
std::unique_ptr<ModelSettings> settings_of_model(std::string_view kind);

// The model.kind that a training program's command line asks for, which decides what keys there
// are: of the last --set, else of the file of --config, else `standard`. Throws ConfigurationError
// if the file cannot be read.
std::string kind_of_command(const std::vector<std::string>& words, const std::string& standard);

// Those that predict the next token of a text: "gpt", "llama".
std::vector<std::string> language_model_kinds();
// The settings of a kind, with their default values. Throws ConfigurationError if `kind` is not one
// of language_model_kinds().
std::unique_ptr<LanguageModelSettings> settings_of_language_model(std::string_view kind);

}  // namespace ripieno
