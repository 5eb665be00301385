#include "ripieno/tools/shell_line.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

namespace ripieno::tools {
namespace {

bool needs_quotes(std::string_view word) {
  constexpr std::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
      "-_./=:,+@%^";
  return word.empty() || word.find_first_not_of(kPlain) != std::string_view::npos;
}

bool is_control_character(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

// $'…' of bash and POSIX 2024: a terminal must not obey the bytes of a file's name.
std::string in_dollar_quotes(std::string_view word) {
  std::string text = "$'";
  for (const char c : word) {
    if (is_control_character(c)) {
      text += fmt::format("\\{:03o}", static_cast<unsigned>(c));
    } else {
      text += c == '\'' || c == '\\' ? std::string{'\\', c} : std::string(1, c);
    }
  }
  return text + "'";
}

std::string in_quotes(std::string_view word) {
  if (!needs_quotes(word)) return std::string(word);
  if (std::any_of(word.begin(), word.end(), is_control_character)) return in_dollar_quotes(word);
  std::string text = "'";
  for (const char c : word) text += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return text + "'";
}

}  // namespace

std::string shell_line(const std::vector<std::string>& words) {
  std::string line;
  for (const auto& word : words) line += (line.empty() ? "" : " ") + in_quotes(word);
  return line;
}

}  // namespace ripieno::tools
