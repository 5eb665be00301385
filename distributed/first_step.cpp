#include "ripieno/distributed/first_step.h"

#include <fmt/format.h>

#include <map>
#include <utility>

#include "ripieno/core/error.h"
#include "ripieno/core/loaded_rows.h"
#include "ripieno/distributed/communicators/exchange.h"

namespace ripieno::distributed {
namespace {

void require_different_rows(const std::vector<int64_t>& rows_of_ranks) {
  std::map<int64_t, std::size_t> rank_with;
  for (std::size_t rank = 0; rank < rows_of_ranks.size(); ++rank) {
    const int64_t rows = rows_of_ranks[rank];
    if (rows == 0) continue;
    const auto [found, is_new] = rank_with.try_emplace(rows, rank);
    if (is_new) continue;
    throw ConfigurationError(
        fmt::format("data parallel: ranks {} and {} loaded the same rows of the batch, but each "
                    "rank must load its own; pass the session to the loader, as in "
                    "BatchLoader(data, options, session), or, if they are meant to load the same, "
                    "set loaded_rows() = 0 before the first step",
                    found->second, rank));
  }
}

}  // namespace

FirstStep::FirstStep(const Parameters& parameters)
    : parameters_(parameters), is_used_(parameters.size()) {
  for (std::size_t i = 0; i < parameters.size(); ++i)
    indices_[parameters.tensors()[i].implementation().leaf.get()] = i;
}

void FirstStep::examine(const Loss& loss) {
  if (!loss.sum.defined()) return;  // the backward reports it
  const auto reached = autograd::reached_from(loss.sum, 0);
  const std::lock_guard lock(mutex_);
  for (const auto& leaf : reached.leaves) {
    if (const auto found = indices_.find(leaf.get()); found != indices_.end()) {
      is_used_[found->second] = true;
      continue;
    }
    const Tensor& gradient = leaf->gradient;
    fail(
        fmt::format("backward: reached a tensor{} that requires a gradient but is not a parameter "
                    "of the model, so ranks would not train it together; register its module with "
                    "add(), or freeze() or detach() it",
                    gradient.defined() ? " " + to_string(gradient.shape()) : ""));
  }
}

std::vector<std::string> FirstStep::finish(Communicator& communicator) {
  if (communicator.size() > 1) {
    const auto mine = static_cast<int64_t>(std::exchange(loaded_rows(), 0));
    require_different_rows(gather(communicator, mine));
    std::string used;
    for (const bool is_used : is_used_) used += is_used ? '1' : '0';
    for (const std::string& theirs : gather(communicator, used)) {
      for (std::size_t i = 0; i < theirs.size(); ++i) is_used_[i] = is_used_[i] || theirs[i] == '1';
    }
  }
  std::vector<std::string> unused;
  for (std::size_t i = 0; i < is_used_.size(); ++i) {
    if (!is_used_[i] && parameters_.tensors()[i].requires_gradient())
      unused.push_back(parameters_.layout().entries()[i].name);
  }
  return unused;
}

}  // namespace ripieno::distributed
