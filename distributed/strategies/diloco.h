// DiLoCo (Douillard et al., 2023, arXiv:2311.08105): the strategy in which ranks communicate only
// every `steps` optimizer steps, for very slow links.
//
// Each rank takes `steps` optimizer steps on its own rows. Then an outer step follows: the
// difference between the parameters after the last outer step and each rank's parameters now,
// averaged over the ranks, is the gradient of an SGD with Nesterov momentum. All ranks continue
// with its result.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "ripieno/distributed/gradients/buckets.h"
#include "ripieno/distributed/gradients/gradient_sum.h"
#include "ripieno/distributed/strategies/one_rank.h"
#include "ripieno/distributed/strategies/options.h"

namespace ripieno::distributed {

// Keeps a float32 arena with the parameters after the last outer step. The outer momentum, which is
// the same on every rank, is the state tensor "outer_momentum" of the optimizer.
class Diloco final : public OneRank {
 public:
  static constexpr const char* kOuterMomentum = "outer_momentum";  // name of the state tensor

  // sum: sums the ranks' differences, over replica.communicator. Parameters must be equal on all
  // ranks before the first step. Throws ConfigurationError if steps, outer_learning_rate or
  // outer_momentum is out of range.
  Diloco(const Replica& replica, std::unique_ptr<GradientSum> sum, const DilocoOptions& options);

  void before_update() override;
  bool after_update() override;
  // Takes the outer step now, if optimizer steps have been taken since the last one.
  void synchronize_parameters() override;
  // Also averages the rest of the optimizer's state over the ranks, so that there is one state to
  // save, and training continues from that state with or without a restart.
  void synchronize() override;

  bool has_local_steps() const override { return true; }
  std::string obstacle_to_replay() const override {
    return "parallel.diloco_steps: some steps are followed by an outer step";
  }
  void report(MemoryReport& report) override;

 private:
  void outer_step();
  void sum_over_ranks(const Tensor& gradient);
  Tensor float_parameters() const;
  void find_trainable_runs();

  optim::Optimizer& optimizer_;
  Communicator& communicator_;
  std::vector<Bucket> buckets_, runs_;  // runs_: trainable ranges of the buckets
  std::vector<bool> trains_;            // (parameters) as of the last find_trainable_runs()
  std::unique_ptr<GradientSum> sum_;
  DilocoOptions options_;
  Arena& momentum_;
  Arena anchor_;  // the parameters after the last outer step
  Tensor scalars_, segments_;
  int64_t segment_count_ = 0;
  int64_t steps_ = 0;           // since the last outer step
  bool state_is_equal_ = true;  // optimizer state is equal on all ranks
};

}  // namespace ripieno::distributed
