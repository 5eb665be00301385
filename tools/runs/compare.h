// What differs between two runs: their records, and their losses bit by bit.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ripieno/io/files/json.h"
#include "ripieno/io/run/record_differences.h"

namespace ripieno::tools::runs {

struct LossComparison {
  int64_t common = 0;  // steps whose loss both have
  struct Difference {
    int64_t step = 0;
    double a = 0, b = 0;  // NaN: not finite
  };
  std::optional<Difference> first = {};  // of the common steps; empty: all are equal bit by bit
  struct Final {
    int64_t step = 0;
    double loss = 0;
  };
  std::optional<Final> last_of_a = {}, last_of_b = {};
  std::optional<double> validation_of_a = {}, validation_of_b = {};  // the last ones
};

struct Comparison {
  std::string a = {}, b = {};
  std::vector<io::RecordDifference> differences = {};
  LossComparison losses = {};
  std::vector<std::string> remarks = {};  // what could not be read
};

// Reads both metrics.jsonl. Throws StorageError. A missing file has no steps.
LossComparison compare_losses(const std::string& a, const std::string& b,
                              std::vector<std::string>& remarks);

// `a`, `b`: run directories. Throws UsageError if one is none, DataError, StorageError.
Comparison compare(const std::string& a, const std::string& b);

std::string to_text(const Comparison& comparison);
// "losses: equal bit by bit in all 100 common steps", without the final newline.
std::string to_text(const LossComparison& losses);
nlohmann::json to_json(const Comparison& comparison);

}  // namespace ripieno::tools::runs
