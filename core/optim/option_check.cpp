#include "ripieno/core/optim/option_check.h"

#include <fmt/format.h>

#include <cmath>

#include "ripieno/core/error.h"

namespace ripieno::optim {

void require_option(bool holds, std::string_view optimizer, std::string_view name, double value,
                    std::string_view domain) {
  if (holds) return;
  throw ConfigurationError(
      fmt::format("{}: {} is {}; it must be {}", optimizer, name, value, domain));
}

void require_not_negative(std::string_view optimizer, std::string_view name, double value) {
  const bool holds = value >= 0.0 && std::isfinite(static_cast<float>(value));
  require_option(holds, optimizer, name, value, "at least 0, and finite as a float");
}

}  // namespace ripieno::optim
