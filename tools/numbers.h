// Exact parsing of the numbers that command-line options take.
#pragma once

#include <cstdint>
#include <string>

namespace ripieno::tools {

// Throw UsageError, which names the option, unless all of `text` is an integer (a finite number) of
// at least `least`.
int64_t whole_number(const std::string& option, const std::string& text, int64_t least);
double finite_number(const std::string& option, const std::string& text, double least);

}  // namespace ripieno::tools
