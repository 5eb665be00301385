#include "ripieno/io/data/mixture.h"

#include <fmt/format.h>

#include <algorithm>

#include "ripieno/core/error.h"

namespace ripieno::io {
namespace {

constexpr int64_t kMostInABlock = 1'000'000;
constexpr uint64_t kStream = 0x6d697874757265;  // so that no source is shuffled like the mixture

std::vector<int64_t> sums_of(const std::vector<int64_t>& weights) {
  std::vector<int64_t> sums;
  int64_t sum = 0;
  for (const int64_t weight : weights) {
    if (weight < 1 || weight > kMostInABlock) {
      throw ConfigurationError(
          fmt::format("data.weights: a weight must be between 1 and {}, got "
                      "{}",
                      kMostInABlock, weight));
    }
    sums.push_back(sum += weight);
  }
  if (sums.empty() || sum > kMostInABlock) {
    throw ConfigurationError(
        fmt::format("data.weights: the sum of the weights must be between 1 "
                    "and {}, got {}; divide them by a common factor",
                    kMostInABlock, sum));
  }
  return sums;
}

}  // namespace

Mixture::Mixture(const std::vector<int64_t>& weights, uint64_t seed)
    : ends_(sums_of(weights)), sampler_(ends_.back(), seed ^ kStream) {}

Mixture::Place Mixture::at(int64_t position) const {
  const int64_t block = position / ends_.back();
  const int64_t drawn = sampler_.at(block, position % ends_.back());
  const auto source =
      static_cast<std::size_t>(std::upper_bound(ends_.begin(), ends_.end(), drawn) - ends_.begin());
  const int64_t begin = source == 0 ? 0 : ends_[source - 1];
  return {source, block * (ends_[source] - begin) + drawn - begin};
}

}  // namespace ripieno::io
