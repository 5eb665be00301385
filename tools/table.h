// Formatting of the tools' output: aligned tables, sizes and counts.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ripieno::tools {

// Columns are as wide as their widest cell and two spaces apart; lines have no trailing spaces.
// Control characters, which tensor names in files of other programs may contain, become '?'.
class Table {
 public:
  // One letter per column: 'l' aligns left, 'r' right.
  explicit Table(std::string_view alignments) : alignments_(alignments) {}

  void add(std::vector<std::string> cells);
  bool empty() const { return rows_.empty(); }
  // One line per row, indented by `indent` spaces.
  std::string text(int indent = 0) const;

 private:
  std::string alignments_;
  std::vector<std::vector<std::string>> rows_;
};

// "512 B", "33.3 kB", "1.49 GB": decimal units, three digits.
std::string readable_bytes(int64_t bytes);
// "1 tensor", "1,234 tensors"
std::string counted(int64_t count, std::string_view what);

}  // namespace ripieno::tools
