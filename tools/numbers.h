// Numbers of a command line: exact, or refused by the option's name.
#pragma once

#include <cstdint>
#include <string>

namespace ripieno::tools {

// Throw UsageError where the whole text is not such a number.
int64_t whole_number(const std::string& option, const std::string& text, int64_t least);
double finite_number(const std::string& option, const std::string& text, double least);

}  // namespace ripieno::tools
