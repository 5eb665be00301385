// MemoryReport: the memory that a rank uses to train a model, for the log and run.json.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace ripieno::distributed {

struct MemoryReport {
  struct Line {
    std::string what;
    int64_t bytes = 0;
    bool is_transient = false;  // allocated during a part of each step only
  };

  int64_t parameters = 0;  // number of elements, without padding
  std::vector<Line> lines;

  // Total of the lines that are not transient.
  int64_t persistent_bytes() const;
  // `bytes` per parameter; 0 for a model without parameters.
  double per_parameter(int64_t bytes) const;
};

// One text line per entry: name, MiB, bytes per parameter.
std::string to_string(const MemoryReport& report);

}  // namespace ripieno::distributed
