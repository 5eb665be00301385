#include "ripieno/kernels/cuda/products/algorithm_search.h"

#include <algorithm>
#include <limits>

#include "ripieno/kernels/cuda/runtime/runtime.h"

namespace ripieno::kernels::cuda {
namespace {

constexpr int kTurns = 5;
constexpr double kFarBehind = 1.25;

struct Contender {
  std::size_t index;
  double seconds = std::numeric_limits<double>::infinity();
};

}  // namespace

std::optional<Fastest> find_fastest(Trial& trial, const std::vector<Work>& ways, std::string& why) {
  std::vector<Contender> contenders;
  for (std::size_t i = 0; i < ways.size(); ++i) {
    try {
      trial.seconds(ways[i]);
      contenders.push_back({i});
    } catch (const CudaError& error) {
      why = error.what();
    }
  }
  if (contenders.empty()) return std::nullopt;
  for (int turn = 0; turn < kTurns; ++turn) {
    double best = std::numeric_limits<double>::infinity();
    for (Contender& contender : contenders) {
      contender.seconds = std::min(contender.seconds, trial.seconds(ways[contender.index]));
      best = std::min(best, contender.seconds);
    }
    std::erase_if(contenders,
                  [&](const Contender& one) { return one.seconds > kFarBehind * best; });
  }
  const auto fastest =
      std::min_element(contenders.begin(), contenders.end(),
                       [](const auto& a, const auto& b) { return a.seconds < b.seconds; });
  return Fastest{fastest->index, fastest->seconds};
}

}  // namespace ripieno::kernels::cuda
