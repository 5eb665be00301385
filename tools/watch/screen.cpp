#include "ripieno/tools/watch/screen.h"

#include <fmt/format.h>

#include <algorithm>

namespace ripieno::tools::watch {
namespace {

// Control Sequence Introducer.
constexpr std::string_view kCsi = "\x1b[";
// Longest that a cell takes, with a new position and style.
constexpr std::size_t kCellBytes = 24;
// Unchanged cells between two changed ones that are cheaper to repeat than to skip.
constexpr int kGap = 4;

std::string_view sequence_of(Style style) {
  switch (style) {
    case Style::plain:
      return "\x1b[0m";
    case Style::bold:
      return "\x1b[0;1m";
    case Style::dim:
      return "\x1b[0;2m";
    case Style::good:
      return "\x1b[0;32m";
    case Style::bad:
      return "\x1b[0;1;31m";
    case Style::warning:
      return "\x1b[0;33m";
    case Style::curve:
      return "\x1b[0;36m";
    case Style::phase_0:
      return "\x1b[0;30;43m";
    case Style::phase_1:
      return "\x1b[0;30;46m";
    case Style::phase_2:
      return "\x1b[0;37;44m";
    case Style::phase_3:
      return "\x1b[0;37;41m";
    case Style::phase_4:
      return "\x1b[0;30;42m";
    case Style::phase_5:
      return "\x1b[0;37;45m";
    case Style::phase_6:
      return "\x1b[0;30;47m";
    case Style::phase_7:
      return "\x1b[0;2m";
  }
  return "\x1b[0m";
}

void append_utf8(char32_t c, std::string& bytes) {
  if (c < 0x80) {
    bytes += static_cast<char>(c);
  } else if (c < 0x800) {
    bytes += static_cast<char>(0xc0 | (c >> 6));
    bytes += static_cast<char>(0x80 | (c & 0x3f));
  } else {
    bytes += static_cast<char>(0xe0 | (c >> 12));
    bytes += static_cast<char>(0x80 | ((c >> 6) & 0x3f));
    bytes += static_cast<char>(0x80 | (c & 0x3f));
  }
}

// The next character of UTF-8 text, which is removed from it; '?' for what is not UTF-8, and for
// characters of four bytes, none of which has one column on every terminal.
char32_t take_character(std::string_view& text) {
  const auto first = static_cast<uint8_t>(text[0]);
  const std::size_t size = first < 0x80 ? 1 : first >> 5 == 6 ? 2 : first >> 4 == 14 ? 3 : 4;
  char32_t c = size == 1 ? first : size == 2 ? first & 0x1f : first & 0xf;
  std::size_t used = 1;
  while (used < std::min(size, text.size()) && (static_cast<uint8_t>(text[used]) >> 6) == 2)
    c = (c << 6) | (static_cast<uint8_t>(text[used++]) & 0x3f);
  text.remove_prefix(used);
  return used == size && size < 4 && first >> 6 != 2 ? c : U'?';
}

// Letters of European languages and what the view draws with: one column on every terminal.
bool is_one_column(char32_t c) {
  const bool is_latin = (c >= U' ' && c < 0x7f) || (c >= 0xa1 && c < 0x250 && c != 0xad);
  const bool is_drawing = (c >= 0x2500 && c < 0x25a0) || (c >= 0x2800 && c < 0x2900);
  return is_latin || is_drawing || c == U'–' || c == U'…' || c == U'·';
}

// What ASCII has for the characters that are used for drawing.
char32_t in_ascii(char32_t c) {
  if (c < 0x80) return c;
  switch (c) {
    case U'━':
    case U'╸':
      return U'=';
    case U'─':
    case U'–':
      return U'-';
    case U'│':
    case U'┤':
      return U'|';
    case U'└':
      return U'+';
    case U'·':
      return U'.';
    case U'µ':
      return U'u';
    default:
      return U'?';
  }
}

}  // namespace

Style phase_style(std::size_t phase) {
  return static_cast<Style>(static_cast<std::size_t>(Style::phase_0) +
                            std::min<std::size_t>(phase, 7));
}

void Screen::resize(int rows, int columns) {
  rows_ = std::clamp(rows, 1, 500);
  columns_ = std::clamp(columns, 1, 1000);
  const auto cells = static_cast<std::size_t>(rows_ * columns_);
  wanted_.assign(cells, {});
  shown_.assign(cells, {});
  next_row_ = 0;
  is_cleared_ = true;
}

void Screen::clear() { std::fill(wanted_.begin(), wanted_.end(), Cell{}); }

void Screen::set(int row, int column, Cell cell) {
  if (row < 0 || row >= rows_ || column < 0 || column >= columns_) return;
  if (!is_one_column(cell.character)) cell.character = U'?';
  if (!utf8_) cell.character = in_ascii(cell.character);
  if (!colors_) cell.style = Style::plain;
  at(wanted_, row, column) = cell;
}

int Screen::put(int row, int column, std::string_view text, Style style) {
  while (!text.empty() && column < columns_) set(row, column++, {take_character(text), style});
  return column;
}

int Screen::put_words(int row, int column, std::string_view text, Style style) {
  return put(row, column, fitting_words(text, columns_ - column), style);
}

std::string_view fitting_words(std::string_view text, int columns) {
  while (columns_of(text) > columns && !text.empty()) {
    const auto space = text.rfind(' ');
    text = text.substr(0, space == text.npos ? 0 : space);
  }
  return text;
}

int columns_of(std::string_view text) {
  return static_cast<int>(std::count_if(
      text.begin(), text.end(), [](char c) { return (static_cast<uint8_t>(c) & 0xc0) != 0x80; }));
}

void Screen::append_row(int row, std::size_t budget, std::string& bytes) {
  Style style = Style::plain;
  int cursor = -1;  // the column in which the terminal writes next
  for (int column = 0; column < columns_ && bytes.size() + kCellBytes < budget; ++column) {
    if (at(wanted_, row, column) == at(shown_, row, column)) continue;
    int from = column;
    if (cursor >= 0 && column - cursor <= kGap) from = cursor;
    if (cursor != from) bytes += fmt::format("{}{};{}H", kCsi, row + 1, column + 1);
    for (int i = from; i <= column; ++i) {
      const Cell& cell = at(wanted_, row, i);
      if (cell.style != style) bytes += sequence_of(cell.style);
      style = cell.style;
      append_utf8(cell.character, bytes);
      at(shown_, row, i) = cell;
    }
    cursor = column + 1;
  }
  if (style != Style::plain) bytes += sequence_of(Style::plain);
}

std::string Screen::changes(std::size_t budget) {
  std::string bytes;
  if (is_cleared_) bytes += fmt::format("{}0m{}2J", kCsi, kCsi);
  is_cleared_ = false;
  const int first = next_row_;
  for (int i = 0; i < rows_; ++i) {
    const int row = (first + i) % rows_;
    next_row_ = row;
    append_row(row, budget, bytes);
    if (bytes.size() + kCellBytes >= budget) return bytes;
  }
  next_row_ = 0;
  return bytes;
}

std::string Screen::text() const {
  std::string text;
  for (int row = 0; row < rows_; ++row) {
    std::string line;
    for (int column = 0; column < columns_; ++column)
      append_utf8(wanted_[static_cast<std::size_t>(row * columns_ + column)].character, line);
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  while (text.ends_with("\n\n")) text.pop_back();
  return text;
}

}  // namespace ripieno::tools::watch
