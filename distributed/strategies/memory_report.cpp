#include "ripieno/distributed/strategies/memory_report.h"

#include <fmt/format.h>

namespace ripieno::distributed {
namespace {

std::string row(const std::string& what, int64_t bytes, double per_parameter) {
  return fmt::format("{:<34} {:>10.1f} MiB {:>7.2f} B/parameter\n", what,
                     static_cast<double>(bytes) / (1 << 20), per_parameter);
}

}  // namespace

int64_t MemoryReport::persistent_bytes() const {
  int64_t sum = 0;
  for (const Line& line : lines) sum += line.is_transient ? 0 : line.bytes;
  return sum;
}

double MemoryReport::per_parameter(int64_t bytes) const {
  return parameters > 0 ? static_cast<double>(bytes) / static_cast<double>(parameters) : 0;
}

std::string to_string(const MemoryReport& report) {
  std::string text;
  for (const auto& line : report.lines) {
    if (!line.is_transient) text += row(line.what, line.bytes, report.per_parameter(line.bytes));
  }
  const int64_t sum = report.persistent_bytes();
  text += row("total, persistent", sum, report.per_parameter(sum));
  for (const auto& line : report.lines) {
    if (line.is_transient)
      text += row("temporary: " + line.what, line.bytes, report.per_parameter(line.bytes));
  }
  return text;
}

}  // namespace ripieno::distributed
