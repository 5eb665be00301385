#include "ripieno/kernels/cuda/products/products.h"

#include <algorithm>
#include <map>
#include <utility>

#include "ripieno/kernels/cuda/products/algorithm_search.h"
#include "ripieno/kernels/cuda/runtime/recent_work.h"
#include "ripieno/kernels/cuda/runtime/recording.h"
#include "ripieno/kernels/cuda/runtime/runtime.h"

namespace ripieno::kernels::cuda {
namespace {

// Number of candidates from the library's heuristic: more are not worth the time, since the fastest
// is nearly always among the first dozen.
constexpr int kCandidates = 16;

bool may_measure() {
  return numerics().algorithms == ProductAlgorithms::measured && !is_recording();
}

[[noreturn]] void throw_no_algorithm(const ProductProblem& problem, const std::string& why) {
  throw CudaError(describe(problem) + ": the library has no algorithm for this product" +
                  (why.empty() ? "" : "; the last candidate failed: " + why));
}

}  // namespace

void Products::multiply(OnCuda on, const ProductProblem& problem, const Operands& operands,
                        const InSteps& in_steps) {
  const std::lock_guard lock(mutex_);
  ProductProblem exact = aligned_as(problem, operands);
  exact.workspace_bytes = library_->workspace_bytes();
  if (!numerics().large_workspace) {
    exact.workspace_bytes = std::min(exact.workspace_bytes, kSmallWorkspaceBytes);
  }
  const Plan& plan = plan_of(on, exact, in_steps);
  if (plan.choice.fused) {
    plan.product->run(on, plan.choice.algorithm, operands);
    const auto& [left, right, result, batch] = problem.matrices;
    record_operation(on.stream, "matmul (m, n, k, batch)",
                     {result.cols, result.rows, inner_size_of(problem.matrices), batch});
  } else {
    in_steps(*this, on, operands);
  }
}

Products::Plan& Products::plan_of(OnCuda on, const ProductProblem& problem,
                                  const InSteps& in_steps) {
  Plan& plan = plans_[problem];
  const uint64_t generation = choices_.generation();
  const bool holds =
      plan.decided && plan.generation == generation && (plan.measured || !may_measure());
  if (holds) return plan;
  if (!plan.product && may_be_fused(problem)) plan.product = library_->product(problem);
  decide(on, problem, plan, in_steps);
  plan.decided = true;
  plan.generation = generation;
  return plan;
}

void Products::decide(OnCuda on, const ProductProblem& problem, Plan& plan,
                      const InSteps& in_steps) {
  const ChoiceName name{identity_, key_of(problem)};
  const bool may_run_in_steps = in_steps != nullptr;
  if (may_run_in_steps && (!plan.product || !numerics().fused_epilogues)) {
    plan.choice = {.fused = false};
    plan.measured = true;
    return;
  }
  if (const auto kept = choices_.find(name)) {
    const bool fits = kept->fused ? plan.product->accepts(kept->algorithm) : may_run_in_steps;
    plan.measured = true;
    plan.choice = *kept;
    if (fits) return;
    choices_.remark(describe(problem) + ": the saved algorithm does not fit; choosing another");
  }
  const bool measuring = may_measure();
  const auto candidates = plan.product->candidates(measuring ? kCandidates : 1);
  if (candidates.empty() && !may_run_in_steps) throw_no_algorithm(problem, "");
  plan.choice = {.fused = !candidates.empty()};
  if (plan.choice.fused) plan.choice.algorithm = candidates.front();
  plan.measured = measuring && candidates.size() + (may_run_in_steps ? 1 : 0) < 2;
  if (plan.measured || !measuring) return;
  measure(on, problem, plan, candidates, in_steps);
}

std::vector<Algorithm> Products::right_ones(Trial& trial, const ProductProblem& problem,
                                            LibraryProduct& product,
                                            const std::vector<Algorithm>& candidates,
                                            std::string& why) const {
  std::vector<Algorithm> right;
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    try {
      const std::string difference = trial.difference(
          [&](OnCuda on, const Operands& operands) { product.run(on, candidates[i], operands); });
      if (difference.empty()) {
        right.push_back(candidates[i]);
      } else {
        choices_.remark(describe(problem) + ": algorithm " + std::to_string(i + 1) + " of " +
                        std::to_string(candidates.size()) + " is wrong in " + difference +
                        " and is not used");
      }
    } catch (const CudaError& error) {
      why = error.what();
    }
  }
  return right;
}

void Products::measure(OnCuda on, const ProductProblem& problem, Plan& plan,
                       const std::vector<Algorithm>& offered, const InSteps& in_steps) {
  plan.measured = true;  // even if measuring fails: it is not tried again
  const Work steps = [&](OnCuda run_on, const Operands& operands) {
    in_steps(*this, run_on, operands);
  };
  std::unique_ptr<Trial> trial;
  try {
    trial = library_->trial(on, problem);
    if (!trial) return;
    if (in_steps) trial->expect(steps);
  } catch (const CudaError& error) {
    choices_.remark(describe(problem) + ": cannot measure its algorithms, " + error.what());
    return;
  }
  std::string why;
  const auto candidates = right_ones(*trial, problem, *plan.product, offered, why);
  if (candidates.empty() && !in_steps) {
    if (!why.empty()) throw_no_algorithm(problem, why);
    choices_.remark(describe(problem) +
                    ": all algorithms disagree with built-in sums; using the library's first "
                    "choice, whose results may be wrong");
    return;
  }
  std::vector<Work> ways;
  for (const Algorithm& algorithm : candidates) {
    ways.push_back([&](OnCuda run_on, const Operands& operands) {
      plan.product->run(run_on, algorithm, operands);
    });
  }
  if (in_steps) ways.push_back(steps);
  const auto fastest = find_fastest(*trial, ways, why);
  if (!fastest) throw_no_algorithm(problem, why);
  const bool fused = fastest->index < candidates.size();
  plan.choice = {.fused = fused, .seconds = fastest->seconds};
  if (fused) plan.choice.algorithm = candidates[fastest->index];
  choices_.add({identity_, key_of(problem)}, plan.choice);
}

Products& products() {
  static std::mutex mutex;
  // Never destroyed, because the driver may be unloaded first at exit.
  static auto& devices = *new std::map<int, std::unique_ptr<Products>>;
  const std::lock_guard lock(mutex);
  auto& found = devices[current_product_device()];
  if (!found) found = std::make_unique<Products>(make_product_library(), algorithm_choices());
  return *found;
}

}  // namespace ripieno::kernels::cuda
