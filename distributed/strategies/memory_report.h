// MemoryReport: what a rank keeps in memory to train a model, for people and run.json.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace ripieno::distributed {

struct MemoryReport {
  struct Line {
    std::string what;
    int64_t bytes = 0;
    bool is_transient = false;  // there for a part of each step only
  };

  int64_t parameters = 0;  // of the model, without padding
  std::vector<Line> lines;

  // Of the lines that are not transient.
  int64_t persistent_bytes() const;
  double per_parameter(int64_t bytes) const;
};

// A line each: what, MiB, bytes per parameter.
std::string to_string(const MemoryReport& report);

}  // namespace ripieno::distributed
