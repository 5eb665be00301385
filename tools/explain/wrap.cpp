#include "ripieno/tools/explain/wrap.h"

#include <algorithm>
#include <cstdint>

namespace ripieno::tools::explain {
namespace {

std::size_t characters_in(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(
      text.begin(), text.end(), [](char c) { return (static_cast<uint8_t>(c) & 0xc0) != 0x80; }));
}

bool is_control(char c) { return (c >= 0 && c < ' ') || c == '\x7f'; }

}  // namespace

std::string wrapped(std::string_view text, std::size_t first, std::size_t next,
                    std::size_t columns) {
  std::string result, line(first, ' ');
  std::size_t width = first;
  bool is_empty = true;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(' ', begin), text.size());
    const std::string_view word = text.substr(begin, end - begin);
    begin = end + 1;
    if (word.empty()) continue;
    const std::size_t length = characters_in(word);
    if (!is_empty && width + 1 + length > columns) {
      result += line + "\n";
      line.assign(next, ' ');
      width = next;
      is_empty = true;
    }
    if (!is_empty) line += ' ';
    width += length + (is_empty ? 0 : 1);
    line += word;
    is_empty = false;
  }
  result += line;
  std::replace_if(
      result.begin(), result.end(), [](char c) { return is_control(c) && c != '\n'; }, '?');
  return result + "\n";
}

}  // namespace ripieno::tools::explain
