#include "ripieno/core/optim/option_check.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>

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

void require_decay(std::string_view optimizer, std::string_view name, double value) {
  require_option(value >= 0.0 && value < 1.0, optimizer, name, value, "in [0, 1)");
}

void require_epsilon(std::string_view optimizer, std::string_view name, double value) {
  const bool holds = value >= static_cast<double>(std::numeric_limits<float>::min()) &&
                     value <= static_cast<double>(std::numeric_limits<float>::max());
  require_option(holds, optimizer, name, value, "a positive normal float");
}

void require_moments(std::string_view optimizer, double beta1, double beta2, double epsilon) {
  require_decay(optimizer, "beta1", beta1);
  require_decay(optimizer, "beta2", beta2);
  require_epsilon(optimizer, "epsilon", epsilon);
}

}  // namespace ripieno::optim
