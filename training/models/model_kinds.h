// The models that a configuration can name in model.kind: one row each, in model_kinds.cpp.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "ripieno/training/models/model_settings.h"

namespace ripieno {

// "gpt", "mlp".
std::vector<std::string> model_kinds();
// The settings of a kind, at their defaults. Throws ConfigurationError for a name that is not among
// model_kinds().
std::unique_ptr<ModelSettings> settings_of_model(std::string_view kind);

}  // namespace ripieno
