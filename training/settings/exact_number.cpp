#include "ripieno/training/settings/exact_number.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <optional>

namespace ripieno {
namespace {

// The whole word as a number; empty if it is not one or is out of the range of the type.
template <typename Number>
std::optional<Number> number_of(const std::string& word) {
  Number value;
  const char* end = word.data() + word.size();
  const auto [stop, error] = std::from_chars(word.data(), end, value);
  if (error != std::errc() || stop != end) return std::nullopt;
  return value;
}

}  // namespace

WordCheck whole_number(int64_t least, int64_t most) {
  return [=](const std::string& word) -> std::string {
    const auto number = number_of<int64_t>(word);
    if (number && *number >= least && *number <= most) return "";
    return fmt::format("must be a whole number from {} to {}, got {}", least, most, word);
  };
}

WordCheck finite_number(double least) {
  return [=](const std::string& word) -> std::string {
    const auto number = number_of<double>(word);
    if (number && std::isfinite(*number) && *number >= least) return "";
    return fmt::format("must be a finite number of at least {}, got {}", least, word);
  };
}

}  // namespace ripieno
