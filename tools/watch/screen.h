// Screen: a grid of characters, and the bytes that make a terminal show it.
//
// Only cells that changed are sent, and no more bytes at once than allowed, so that it works over
// a slow connection. Escape sequences are those of ECMA-48, which every terminal of today has.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ripieno::tools::watch {

// phase_0 to phase_7: the phases of a step, in the order of io::kFlightPhases.
enum class Style : uint8_t {
  plain,
  bold,
  dim,
  good,
  bad,
  warning,
  curve,
  phase_0,
  phase_1,
  phase_2,
  phase_3,
  phase_4,
  phase_5,
  phase_6,
  phase_7
};
Style phase_style(std::size_t phase);

struct Cell {
  char32_t character = U' ';
  Style style = Style::plain;
  bool operator==(const Cell&) const = default;
};

class Screen {
 public:
  // `utf8`: whether the terminal shows more than ASCII; `colors`: whether it has them.
  Screen(bool utf8, bool colors) : utf8_(utf8), colors_(colors) {}

  int rows() const { return rows_; }
  int columns() const { return columns_; }
  bool utf8() const { return utf8_; }

  // Makes all cells blank; the terminal shows anything.
  void resize(int rows, int columns);
  // Makes all cells blank; the terminal shows what it did.
  void clear();
  // Writes UTF-8 text from this cell on, and returns the column after it. What does not fit is cut
  // off. Characters that are not one column wide or cannot be shown become '?'.
  int put(int row, int column, std::string_view text, Style style = Style::plain);
  // The same, but cuts before a word that does not fit, so that no part of a number looks like one.
  int put_words(int row, int column, std::string_view text, Style style = Style::plain);
  void set(int row, int column, Cell cell);

  // At most about `budget` bytes that change what the terminal shows towards this screen. What they
  // leave out is in the next ones.
  std::string changes(std::size_t budget);
  // All rows as lines, without trailing spaces and escape sequences.
  std::string text() const;

 private:
  Cell& at(std::vector<Cell>& cells, int row, int column) {
    return cells[static_cast<std::size_t>(row * columns_ + column)];
  }
  void append_row(int row, std::size_t budget, std::string& bytes);

  bool utf8_, colors_;
  int rows_ = 0, columns_ = 0;
  int next_row_ = 0;  // where changes() begins
  bool is_cleared_ = false;
  std::vector<Cell> wanted_, shown_;
};

// Columns of UTF-8 text, of characters that are one column wide.
int columns_of(std::string_view text);
// The words at the beginning of the text that fit.
std::string_view fitting_words(std::string_view text, int columns);

}  // namespace ripieno::tools::watch
