// Checks of an optimizer's options, for constructors and for configurations. Not installed.
#pragma once

#include <string_view>

namespace ripieno::optim {

// Throws ConfigurationError "adamw: beta1 is 1; it must be in [0, 1)" unless `holds`.
void require_option(bool holds, std::string_view optimizer, std::string_view name, double value,
                    std::string_view domain);
// 0 or more, and finite as a float.
void require_not_negative(std::string_view optimizer, std::string_view name, double value);

}  // namespace ripieno::optim
