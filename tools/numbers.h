// Exact parsing of the numbers that command-line options take.
#pragma once

#include <cstdint>
#include <limits>
#include <string>

namespace ripieno::tools {

// Of what the option --link-gbits accepts.
inline constexpr double kLeastGbits = 1e-3, kMostGbits = 1e6;

// Throw UsageError, which names the option, unless all of `text` is an integer (a finite number)
// from `least` to `most`.
int64_t whole_number(const std::string& option, const std::string& text, int64_t least,
                     int64_t most = INT64_MAX);
double finite_number(const std::string& option, const std::string& text, double least,
                     double most = std::numeric_limits<double>::max());

}  // namespace ripieno::tools
