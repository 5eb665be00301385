// The values of model.kind: one row per kind of model, in model_kinds.cpp.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "ripieno/training/models/model_settings.h"

namespace ripieno {

// "gpt", "lenet", "mlp", "resnet18", "resnet20", "resnet50".
std::vector<std::string> model_kinds();
// The settings of a kind of model, with their default values. Throws ConfigurationError if `kind`
// is not one of model_kinds().
std::unique_ptr<ModelSettings> settings_of_model(std::string_view kind);

}  // namespace ripieno
