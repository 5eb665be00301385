// DiLoCo (Douillard et al., 2023, arXiv:2311.08105): ranks that train on their own for many steps,
// and then step together, for links that are slower still.
//
// After `steps` steps of the optimizer, each rank on its own rows, the mean over the ranks of how
// far each has come is one gradient of an outer SGD with Nesterov's momentum.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "ripieno/core/optim/optimizer.h"
#include "ripieno/distributed/gradients/buckets.h"
#include "ripieno/distributed/gradients/gradient_sum.h"

namespace ripieno::distributed {

struct DilocoOptions {
  int64_t steps = 0;  // of the optimizer between two outer ones; 0: off
  double outer_learning_rate = 0.7;
  double outer_momentum = 0.9;
};

// Keeps an arena of float32 for the parameters that the ranks last shared; the outer momentum, the
// same on every rank, is part of the optimizer's state, "outer_momentum".
class Diloco {
 public:
  // `sum` adds up how far the ranks have come, in `buckets`, over a communicator of `ranks`. The
  // optimizer outlives this. Throws ConfigurationError.
  Diloco(optim::Optimizer& optimizer, Communicator& communicator, std::vector<Bucket> buckets,
         std::unique_ptr<GradientSum> sum, const DilocoOptions& options);

  // Around each step of the optimizer; the ranks are alike before the first, whatever they have
  // loaded. after_step() returns whether the ranks met.
  void before_step();
  bool after_step();

  // Makes the ranks alike: takes the outer step now, and the mean of the rest of the optimizer's
  // state, so that what is saved is one state and what follows depends on it alone. A collective.
  void synchronize();

  // Of the parameters that the ranks last shared.
  int64_t kept_bytes() const { return anchor_.layout().elements() * 4; }

 private:
  void outer_step();
  void sum_over_ranks(const Tensor& gradient);
  Tensor truth() const;

  optim::Optimizer& optimizer_;
  Communicator& communicator_;
  std::vector<Bucket> buckets_;
  std::unique_ptr<GradientSum> sum_;
  DilocoOptions options_;
  Arena& momentum_;
  Arena anchor_;  // the parameters after the last outer step
  Tensor scalars_, segment_;
  int64_t steps_ = 0;     // since the last outer step
  bool is_alike_ = true;  // the optimizer's state on all ranks
};

}  // namespace ripieno::distributed
