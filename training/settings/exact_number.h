// Numbers on a command line: exact, or refused.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <string>

namespace ripieno {

// Returns what is wrong with a word, or nothing; as CLI11's Option::check() takes it.
using WordCheck = std::function<std::string(const std::string& word)>;

// A whole number from `least` to `most`, in decimal digits.
WordCheck whole_number(int64_t least, int64_t most = std::numeric_limits<int64_t>::max());
// A finite number of at least `least`.
WordCheck finite_number(double least);

}  // namespace ripieno
