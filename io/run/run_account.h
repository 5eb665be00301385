// RunAccount: where the wall-clock time of a run went, over all of its starts, and what it cost.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "ripieno/io/files/json.h"

namespace ripieno::io {

struct RunAccount {
  double seconds = 0;    // from the first start to the last known moment
  double effective = 0;  // of those, in steps that count, but for saving
  // What the other time went to, in the order of the table in docs/performance.md; none is 0.
  std::vector<std::pair<std::string, double>> lost = {};
  // Of the effective time: {"waiting for data", seconds}, ….
  std::vector<std::pair<std::string, double>> inside = {};
  int64_t starts = 0, skipped_steps = 0, rollbacks = 0;
  int64_t units = 0;                       // tokens or samples that count
  std::string unit = {};                   // "tokens", "samples"; empty: unknown
  std::optional<double> usd = {};          // if the price of each start is known
  std::optional<double> model_flops = {};  // per second and rank, of the effective time
  std::optional<double> peak_flops = {};   // per second and rank
};

// Empty if `record` (run.json) does not say how far a start has come, as in runs of older versions.
// Members of another type than expected count as missing.
std::optional<RunAccount> account_of(const nlohmann::json& record);

// The share of the peak of all ranks that one token per second takes, by an entry of "starts". 0 if
// its model is not a GPT, or the peak is not known.
double utilization_per_token(const nlohmann::json& start);

}  // namespace ripieno::io
