#include "ripieno/training/models/model_kinds.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "ripieno/core/error.h"
#include "ripieno/training/models/gpt_settings.h"
#include "ripieno/training/models/image_model_settings.h"

namespace ripieno {
namespace {

std::unique_ptr<ModelSettings> make_gpt(std::string_view) {
  return std::make_unique<GptSettings>();
}

std::unique_ptr<ModelSettings> make_image_model(std::string_view kind) {
  return std::make_unique<ImageModelSettings>(std::string(kind));
}

struct Kind {
  std::string_view name;
  std::unique_ptr<ModelSettings> (*make)(std::string_view kind);
};

constexpr Kind kKinds[] = {
    {"gpt", make_gpt},
    {"lenet", make_image_model},
    {"mlp", make_image_model},
    {"resnet18", make_image_model},
    {"resnet20", make_image_model},
    {"resnet50", make_image_model},
};

}  // namespace

std::vector<std::string> model_kinds() {
  std::vector<std::string> names;
  for (const Kind& kind : kKinds) names.emplace_back(kind.name);
  return names;
}

std::unique_ptr<ModelSettings> settings_of_model(std::string_view kind) {
  for (const Kind& known : kKinds) {
    if (known.name == kind) return known.make(kind);
  }
  throw ConfigurationError(fmt::format("model.kind must be one of {1}, got \"{0}\"", kind,
                                       fmt::join(model_kinds(), ", ")));
}

}  // namespace ripieno
