#include <nlohmann/json.hpp>
#include <string>

#include "fuzz/parsers.h"
#include "ripieno/core/error.h"
#include "ripieno/io/data/readers/json_line.h"

namespace ripieno::fuzz {
namespace {

// Whether there may be a number beyond the range of a double, which the other parser refuses.
bool may_overflow(std::string_view bytes) {
  constexpr std::size_t kDigits = 300;
  for (std::size_t i = 1; i < bytes.size(); ++i) {
    const bool follows_digit = bytes[i - 1] >= '0' && bytes[i - 1] <= '9';
    if (follows_digit && (bytes[i] == 'e' || bytes[i] == 'E')) return true;
  }
  return bytes.size() > kDigits;
}

}  // namespace

bool parse_json_line(std::string_view bytes) {
  std::string text;
  try {
    io::read_json_field(bytes, "text", text);
  } catch (const DataError&) {
    return false;
  }
  const auto parsed = nlohmann::json::parse(bytes, nullptr, false);
  if (parsed.is_discarded() && may_overflow(bytes)) return true;
  require(parsed.is_object(), "an accepted line is an object for another parser, too");
  require(parsed.contains("text") && parsed["text"] == text, "both parsers read the same text");
  return true;
}

}  // namespace ripieno::fuzz
