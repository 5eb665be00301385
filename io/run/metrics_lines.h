// Reads metrics.jsonl as lines of text, for its writer and reader. Not installed.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace ripieno::io {

// Maximum length of a line in bytes. Longer ones were not written by MetricsWriter and are not
// read.
inline constexpr std::size_t kLongestLine = std::size_t{1} << 18;

// Calls visit(line, number) for each line that ends with a newline; numbers start at 1. Keeps one
// line in memory. A line that is too long is passed as an empty one. Throws StorageError.
void for_each_line(const std::string& path,
                   const std::function<void(std::string_view line, int64_t number)>& visit);

struct LinesEnd {
  int64_t bytes = 0;       // file size up to the end of the last complete line
  int64_t last_step = -1;  // step of that line; INT64_MAX if it cannot be parsed
};
// Reads only the end of the file. Throws StorageError.
LinesEnd end_of_lines(const std::string& path);

// A line stating that the run resumed from `step`: readers ignore earlier lines of later steps.
std::string branch_line(int64_t step);

// The step of a line, without parsing the rest.
struct LineStep {
  int64_t step = 0;
  bool is_branch = false;  // whether it is a branch_line()
};
// nullopt if the line has no step.
std::optional<LineStep> step_of(std::string_view line);

}  // namespace ripieno::io
