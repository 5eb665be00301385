#include "ripieno/core/optim/moment_optimizer.h"

#include <fmt/format.h>

namespace ripieno::optim {

std::vector<Optimizer::Option> MomentOptimizer::options() const {
  auto options = Optimizer::options();
  options.push_back({"beta1", fmt::format("{}", constants_.beta1)});
  options.push_back({"beta2", fmt::format("{}", constants_.beta2)});
  options.push_back({"epsilon", fmt::format("{}", constants_.epsilon)});
  return options;
}

void MomentOptimizer::prepare() {
  add_state("first_moment");
  add_state("second_moment");
}

}  // namespace ripieno::optim
