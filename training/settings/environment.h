// The environment variables that training programs read.
#pragma once

#include <optional>
#include <string>

namespace ripieno {

// The list for --help, wrapped to `columns`.
std::string environment_listing(int columns);

// Throws ConfigurationError if a switch, such as RIPIENO_USE_CUDNN, is neither 0 nor 1, or one of
// the numbers below is not one. An empty value is as good as none.
void check_environment();

// What a run costs and what its machines could do, for the report.
inline constexpr const char* kUsdPerRankHour = "RIPIENO_USD_PER_RANK_HOUR";
inline constexpr const char* kUsdPerHostHour = "RIPIENO_USD_PER_HOST_HOUR";
inline constexpr const char* kPeakTflops = "RIPIENO_PEAK_TFLOPS";
// Empty if the variable is unset or empty. Throws ConfigurationError unless it is a positive,
// finite number.
std::optional<double> positive_number_of_environment(const char* variable);

}  // namespace ripieno
