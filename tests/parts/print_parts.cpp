// Prints docs/operations.md from the table of parts; scripts/write_operations.py writes the page.
#include <algorithm>
#include <iostream>
#include <string>

#include "parts/part.h"
#include "parts/reference_values.h"

namespace {

using namespace ripieno;
using namespace ripieno::testing;

std::string types_of(const Part& part) {
  std::string text;
  for (const DType type : part.types) {
    text += (text.empty() ? "" : ", ") + std::string(name_of(type));
  }
  return text;
}

// Whether any case has gradients that are compared with finite differences.
bool is_differentiated(const PartList& list, const Part& part) {
  return std::any_of(part.cases.begin(), part.cases.end(), [&](const Case& which) {
    return which.finite_differences &&
           !read_reference(list.name, part.name, which.name).seeds.empty();
  });
}

}  // namespace

int main() {
  std::vector<std::string> rows;
  for (const PartList& list : all_parts()) {
    for (const Part& part : list.parts) {
      const std::string cases = std::to_string(part.cases.size());
      const std::string gpu = part.on_gpu ? "yes" : "–";
      rows.push_back("| `" + part.name + "` | " + name_of(part.kind) + " | " + types_of(part) +
                     " | yes | " + gpu + " | " + cases + " | " +
                     (is_differentiated(list, part) ? "yes" : "–") + " | " + gpu + " |");
    }
  }
  std::sort(rows.begin(), rows.end());
  for (const std::string& row : rows) std::cout << row << "\n";
}
