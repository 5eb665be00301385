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

}  // namespace

int64_t whole_number(const std::string& option, const std::string& text, int64_t least) {
  int64_t number = 0;
  if (parse(text, number) && number >= least) return number;
  throw UsageError(
      fmt::format("{} {}: must be an integer from {} to {}", option, text, least, INT64_MAX));
}

double finite_number(const std::string& option, const std::string& text, double least) {
  double number = 0;
  if (parse(text, number) && std::isfinite(number) && number >= least) return number;
  throw UsageError(
      fmt::format("{} {}: must be a finite number of at least {}", option, text, least));
}

}  // namespace ripieno::tools
