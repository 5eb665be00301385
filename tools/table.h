// Tables and quantities as the tools print them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ripieno::tools {

// Control characters, which names in foreign files may have, become '?'. Columns as wide as their
// widest cell, two spaces apart, no spaces at the ends of lines.
class Table {
 public:
  // A letter a column: 'l' for words, 'r' for numbers.
  explicit Table(std::string_view alignments) : alignments_(alignments) {}

  void add(std::vector<std::string> cells);
  bool empty() const { return rows_.empty(); }
  // Each row a line, after `indent` spaces.
  std::string text(int indent = 0) const;

 private:
  std::string alignments_;
  std::vector<std::vector<std::string>> rows_;
};

// "512 B", "33.3 kB", "1.49 GB": powers of ten, three digits.
std::string readable_bytes(int64_t bytes);
// "1 tensor", "1,234 tensors"
std::string counted(int64_t count, std::string_view what);

}  // namespace ripieno::tools
