#include "ripieno/training/models/model_kinds.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "ripieno/core/error.h"
#include "ripieno/training/models/gpt_settings.h"
#include "ripieno/training/models/image_model_settings.h"

namespace ripieno {
namespace {

template <typename T>
std::unique_ptr<ModelSettings> make() {
  return std::make_unique<T>();
}

template <const char* kind>
std::unique_ptr<ModelSettings> make_image_model() {
  return std::make_unique<ImageModelSettings>(kind);
}

constexpr char kLeNet[] = "lenet", kMlp[] = "mlp", kResNet18[] = "resnet18",
               kResNet20[] = "resnet20", kResNet50[] = "resnet50";

struct Kind {
  std::string_view name;
  std::unique_ptr<ModelSettings> (*make)();
};

constexpr Kind kKinds[] = {
    {"gpt", make<GptSettings>},
    {kLeNet, make_image_model<kLeNet>},
    {kMlp, make_image_model<kMlp>},
    {kResNet18, make_image_model<kResNet18>},
    {kResNet20, make_image_model<kResNet20>},
    {kResNet50, make_image_model<kResNet50>},
};

}  // namespace

std::vector<std::string> model_kinds() {
  std::vector<std::string> names;
  for (const Kind& kind : kKinds) names.emplace_back(kind.name);
  return names;
}

std::unique_ptr<ModelSettings> settings_of_model(std::string_view kind) {
  for (const Kind& known : kKinds) {
    if (known.name == kind) return known.make();
  }
  throw ConfigurationError(fmt::format("model.kind must be one of {1}, got \"{0}\"", kind,
                                       fmt::join(model_kinds(), ", ")));
}

}  // namespace ripieno
