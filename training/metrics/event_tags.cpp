#include "ripieno/training/metrics/event_tags.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <string_view>

namespace ripieno {
namespace {

namespace metric = io::metric;

std::string tag_of(std::string_view name, bool is_validation) {
  if (name == metric::kValidationLoss) return "validation/loss";
  if (name == metric::kLoss) return "train/loss";
  if (name == metric::kTokens || name == metric::kSamples) return fmt::format("progress/{}", name);
  if (name == metric::kTokensPerSecond || name == metric::kSamplesPerSecond)
    return fmt::format("speed/{}", name);
  return fmt::format("{}/{}", is_validation ? "validation" : "train", name);
}

}  // namespace

std::vector<std::pair<std::string, double>> tagged_numbers(const io::StepMetrics& line) {
  std::vector<std::pair<std::string, double>> numbers;
  const bool is_validation = line.find(metric::kValidationLoss) != nullptr;
  for (const auto& value : line.values)
    numbers.emplace_back(tag_of(value.name, is_validation), value.number());
  for (const auto& [phase, seconds] : line.seconds) numbers.emplace_back("time/" + phase, seconds);
  for (const auto& [name, number] : line.slowest) numbers.emplace_back("slowest/" + name, number);
  return numbers;
}

std::string text_of_configuration(const nlohmann::json& configuration) {
  std::string text = "```toml\n";
  for (const auto& [section, keys] : configuration.items()) {
    text += fmt::format("[{}]\n", section);
    for (const auto& [name, value] : keys.items()) {
      const auto shown = value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
      text += fmt::format("{} = {}\n", name, shown);
    }
  }
  return text + "```\n";
}

}  // namespace ripieno
