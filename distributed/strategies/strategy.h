// Strategy: how the gradients of all ranks become one step of the optimizer. DataParallel holds
// one.
//
// A step is any number of backward() calls, the last without `more`, then finish_gradients(),
// before_update(), the optimizer's step, after_update(). Every rank calls the same, but ranks may
// have different numbers of micro-batches. One thread uses a strategy.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

#include "ripieno/core/losses/cross_entropy.h"
#include "ripieno/core/optim/optimizer.h"
#include "ripieno/distributed/communicators/communicator.h"
#include "ripieno/distributed/phase_times.h"
#include "ripieno/distributed/strategies/memory_report.h"

namespace ripieno::distributed {

// One rank's copy of the model with its optimizer, and the ranks that it trains with. All outlive
// the strategy.
struct Replica {
  optim::Optimizer& optimizer;
  Communicator& communicator;
  PhaseTimes& times;
  std::size_t bucket_bytes = 0;
  int64_t micro_batch_size = 0;  // 0: all rows of a backward at once

  const Parameters& parameters() const { return optimizer.parameters(); }
};

class Strategy {
 public:
  // The loss of this rank's rows begin .. end - 1.
  using LossOf = std::function<Loss(int64_t begin, int64_t end)>;

  virtual ~Strategy() = default;

  // Adds the gradients of a micro-batch; with `more`, further ones of this step follow.
  virtual void backward(const Loss& loss, bool more) = 0;
  // All of this rank's rows of a step, which begin at random_context().first_row of the global
  // batch.
  virtual void backward(int64_t rows, const LossOf& loss_of) = 0;
  // This rank has no rows in this step, or no more.
  virtual void backward_nothing() = 0;
  // Leaves the summed gradients where the optimizer reads them. Returns the loss over all ranks, or
  // over this one where steps_alone(), valid until the next step's last backward.
  virtual Loss finish_gradients() = 0;
  virtual void before_update() {}
  // Returns whether the ranks have communicated in this step.
  virtual bool after_update() { return true; }
  // Makes the parameters of all ranks equal where they may differ. A collective.
  virtual void synchronize_parameters() {}
  // The same of everything that a checkpoint saves.
  virtual void synchronize() { synchronize_parameters(); }

  // The gradients that this rank keeps between steps.
  virtual Arena& gradients() = 0;
  // Adds lines for memory beside parameters, gradients() and the optimizer's state.
  virtual void report(MemoryReport&) {}

  // Whether each rank's optimizer makes steps of its own between those in which the ranks meet.
  virtual bool steps_alone() const { return false; }
  // Of strict mode, else 0.
  virtual int slots() const { return 0; }
  // That are summed in each backward; 0 where none are.
  virtual std::size_t buckets() const { return 0; }
  // One line for the run's log about what is unusual; empty: nothing is.
  virtual std::string description() const { return ""; }
};

}  // namespace ripieno::distributed
