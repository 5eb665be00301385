#include "ripieno/tools/numbers.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <system_error>

#include "ripieno/training/session/exit_status.h"

namespace ripieno::tools {
namespace {

template <typename Number>
bool parse(const std::string& text, Number& number) {
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number);
  return error == std::errc() && rest == end;
}

// An empty text would not be seen.
std::string shown(const std::string& text) { return text.empty() ? "\"\"" : text; }

}  // namespace

int64_t whole_number(const std::string& option, const std::string& text, int64_t least,
                     int64_t most) {
  int64_t number = 0;
  if (parse(text, number) && number >= least && number <= most) return number;
  throw UsageError(
      fmt::format("{} {}: must be an integer from {} to {}", option, shown(text), least, most));
}

double finite_number(const std::string& option, const std::string& text, double least,
                     double most) {
  double number = 0;
  if (parse(text, number) && std::isfinite(number) && number >= least && number <= most)
    return number;
  const bool has_limit = most < std::numeric_limits<double>::max();
  throw UsageError(fmt::format("{} {}: must be a finite number {}", option, shown(text),
                               has_limit ? fmt::format("from {} to {}", least, most)
                                         : fmt::format("of at least {}", least)));
}

}  // namespace ripieno::tools
