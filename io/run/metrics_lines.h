// The lines of metrics.jsonl as text, for its writer and its readers. Not installed.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace ripieno::io {

// A longer one is none of ours, and is not read.
inline constexpr std::size_t kLongestLine = std::size_t{1} << 18;

// Calls visit(line, number) for each line that has its end, with memory for one; a line that is
// too long comes empty. Throws StorageError.
void for_each_line(const std::string& path,
                   const std::function<void(std::string_view line, int64_t number)>& visit);

struct LinesEnd {
  int64_t bytes = 0;       // up to the end of the last whole line
  int64_t last_step = -1;  // of that line; INT64_MAX where it cannot be read
};
// Reads the end of the file alone. Throws StorageError.
LinesEnd end_of_lines(const std::string& path);

// A line after which earlier lines of later steps do not count: the run went back to `step`.
std::string branch_line(int64_t step);

// What a line says of the order of lines.
struct LineStep {
  int64_t step = 0;
  bool is_branch = false;
};
// Nothing where the line is not one of a step.
std::optional<LineStep> step_of(std::string_view line);

}  // namespace ripieno::io
