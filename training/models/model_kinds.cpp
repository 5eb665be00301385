#include "ripieno/training/models/model_kinds.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "ripieno/core/error.h"
#include "ripieno/training/models/gpt_settings.h"
#include "ripieno/training/models/image_model_settings.h"
#include "ripieno/training/models/llama_settings.h"

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
    {"llama", make<LlamaSettings>},
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

std::string kind_of_command(const std::vector<std::string>& words, const std::string& standard) {
  std::string kind, file;
  for (std::size_t i = 1; i < words.size(); ++i) {
    const auto value_of = [&](std::string_view option) -> std::string {
      if (words[i].starts_with(std::string(option) + "="))
        return words[i].substr(option.size() + 1);
      return words[i] == option && i + 1 < words.size() ? words[i + 1] : "";
    };
    constexpr std::string_view kKey = "model.kind=";
    std::string assignment = value_of("--set");
    std::erase(assignment, '"');
    if (assignment.starts_with(kKey)) kind = assignment.substr(kKey.size());
    if (const std::string path = value_of("--config"); !path.empty()) file = path;
  }
  if (kind.empty() && !file.empty()) kind = string_in_file(file, "model.kind");
  return kind.empty() ? standard : kind;
}

std::unique_ptr<ModelSettings> settings_of_model(std::string_view kind) {
  for (const Kind& known : kKinds) {
    if (known.name == kind) return known.make();
  }
  throw ConfigurationError(fmt::format("model.kind must be one of {1}, got \"{0}\"", kind,
                                       fmt::join(model_kinds(), ", ")));
}

std::vector<std::string> language_model_kinds() { return {"gpt", "llama"}; }

std::unique_ptr<LanguageModelSettings> settings_of_language_model(std::string_view kind) {
  if (kind == "gpt") return std::make_unique<GptSettings>();
  if (kind == "llama") return std::make_unique<LlamaSettings>();
  throw ConfigurationError(fmt::format("model.kind must be one of {}, got \"{}\"",
                                       fmt::join(language_model_kinds(), ", "), kind));
}

}  // namespace ripieno
