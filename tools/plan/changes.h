// What would change a forecast: other settings, each computed with the same model.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "ripieno/tools/plan/forecast.h"

namespace ripieno::tools::plan {

struct Change {
  std::string how;   // "--set parallel.shard=gradients", "--ranks 16"
  std::string note;  // what it costs otherwise; empty: nothing
  Question question;
  Forecast result;
};

// The changes that make training faster or cheaper, those of the highest rate first. Without those
// that do not fit into memory or gain less than 1 %. A change of the number of ranks, which costs
// money, counts if it raises the rate.
std::vector<Change> changes_of(const Question& question, const Forecast& result);

// The smallest change with which a job fits into memory that does not fit: settings that cost less
// time come first, then combinations, then more ranks. Empty if none of them suffices.
std::optional<Change> change_that_fits(const Question& question);

inline constexpr int kMostRanks = 4096;

}  // namespace ripieno::tools::plan
