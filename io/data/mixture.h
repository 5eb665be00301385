// Mixture: which of several sources the sample at each position of a run comes from.
//
// A pure function of (seed, position): any rank computes any position in constant time. Positions
// are divided into blocks as long as the sum of the weights. Each block takes as many samples of
// each source as its weight, in a random order, so the proportions are exact.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "ripieno/io/data/sampler.h"

namespace ripieno::io {

class Mixture {
 public:
  // Throws ConfigurationError if there is no weight, one is below 1, or their sum is above
  // 1,000,000.
  Mixture(const std::vector<int64_t>& weights, uint64_t seed);

  struct Place {
    std::size_t source;
    int64_t position;  // within the source: each one occurs exactly once
  };
  Place at(int64_t position) const;

 private:
  std::vector<int64_t> ends_;  // sums of the weights up to each source
  Sampler sampler_;            // of one block
};

}  // namespace ripieno::io
