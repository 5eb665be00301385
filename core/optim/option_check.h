// Range checks of optimizer options, for constructors and configurations. Not installed.
#pragma once

#include <string_view>

namespace ripieno::optim {

// Throws ConfigurationError "adamw: beta1 is 1; it must be in [0, 1)" unless `holds`.
void require_option(bool holds, std::string_view optimizer, std::string_view name, double value,
                    std::string_view domain);
// Requires a value of at least 0 that is finite as a float.
void require_not_negative(std::string_view optimizer, std::string_view name, double value);

// Requires a decay rate: in [0, 1).
void require_decay(std::string_view optimizer, std::string_view name, double value);
// Requires a positive normal float: with 0, a parameter without gradient would be divided by 0.
void require_epsilon(std::string_view optimizer, std::string_view name, double value);
// Both for the moments of Adam.
void require_moments(std::string_view optimizer, double beta1, double beta2, double epsilon);

}  // namespace ripieno::optim
