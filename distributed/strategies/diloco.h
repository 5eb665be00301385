// DiLoCo (Douillard et al., 2023, arXiv:2311.08105): ranks that train on their own for many steps,
// and then step together, for links that are slower still.
//
// After `steps` steps of the optimizer, each rank on its own rows, the mean over the ranks of how
// far each has come is one gradient of an outer SGD with Nesterov's momentum.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "ripieno/distributed/gradients/buckets.h"
#include "ripieno/distributed/gradients/gradient_sum.h"
#include "ripieno/distributed/strategies/one_rank.h"
#include "ripieno/distributed/strategies/options.h"

namespace ripieno::distributed {

// Keeps an arena of float32 for the parameters that the ranks last shared; the outer momentum, the
// same on every rank, is part of the optimizer's state, "outer_momentum".
class Diloco final : public OneRank {
 public:
  static constexpr const char* kOuterMomentum = "outer_momentum";  // of the optimizer's state

  // `sum` adds up how far the ranks have come, over replica.communicator. The ranks are equal
  // before the first step, whatever they have loaded. Throws ConfigurationError.
  Diloco(const Replica& replica, std::unique_ptr<GradientSum> sum, const DilocoOptions& options);

  void before_update() override;
  bool after_update() override;
  // Takes the outer step now.
  void synchronize_parameters() override;
  // Also takes the mean of the rest of the optimizer's state, so that what is saved is one state
  // and what follows depends on it alone.
  void synchronize() override;

  bool steps_alone() const override { return true; }
  void report(MemoryReport& report) override;

 private:
  void outer_step();
  void sum_over_ranks(const Tensor& gradient);
  Tensor truth() const;
  void plan_runs();

  optim::Optimizer& optimizer_;
  Communicator& communicator_;
  std::vector<Bucket> buckets_, runs_;  // runs_: what trains of the buckets
  std::vector<bool> trains_;            // (parameters) as of the last plan_runs()
  std::unique_ptr<GradientSum> sum_;
  DilocoOptions options_;
  Arena& momentum_;
  Arena anchor_;  // the parameters after the last outer step
  Tensor scalars_, segments_;
  int64_t segment_count_ = 0;
  int64_t steps_ = 0;     // since the last outer step
  bool is_alike_ = true;  // the optimizer's state on all ranks
};

}  // namespace ripieno::distributed
