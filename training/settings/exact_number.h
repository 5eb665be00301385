// Checks for numbers on a command line, which CLI11 would round or truncate.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <string>

namespace ripieno {

// Returns an error message for a word, or "" if it is valid: the argument of CLI11's
// Option::check().
using WordCheck = std::function<std::string(const std::string& word)>;

// A whole number from `least` to `most`, in decimal digits.
WordCheck whole_number(int64_t least, int64_t most = std::numeric_limits<int64_t>::max());
// A finite number of at least `least`.
WordCheck finite_number(double least);

}  // namespace ripieno
