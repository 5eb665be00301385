// Strategy: how the ranks' gradients become an optimizer step. Used by DataParallel, which owns
// one.
//
// The calls of a step are: backward() any number of times, the last one without `more`;
// finish_gradients(); before_update(); the optimizer's step(); after_update(). All are collectives:
// every rank makes the same calls, but the number of micro-batches may differ. One thread uses a
// strategy.
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

// One rank's copy of the model with its optimizer and communicator. What it refers to must outlive
// the strategy.
struct Replica {
  optim::Optimizer& optimizer;
  Communicator& communicator;
  PhaseTimes& times;
  std::size_t bucket_bytes = 0;
  int64_t micro_batch_size = 0;  // rows; 0: all rows of a backward at once

  const Parameters& parameters() const { return optimizer.parameters(); }
};

class Strategy {
 public:
  // Returns the loss of rows begin .. end - 1 of this rank's rows.
  using LossOf = std::function<Loss(int64_t begin, int64_t end)>;

  virtual ~Strategy() = default;

  // Adds the gradients of a micro-batch. more: whether further micro-batches of this step follow.
  virtual void backward(const Loss& loss, bool more) = 0;
  // Adds the gradients of all rows of this rank in a step. The first is row
  // random_context().first_row of the global batch.
  virtual void backward(int64_t rows, const LossOf& loss_of) = 0;
  // Takes part in communication, for a rank without rows or without more rows in this step.
  virtual void backward_without_rows() = 0;
  // Completes the summed gradients for the optimizer. Returns the loss over all ranks, or of this
  // rank if has_local_steps(); it is valid until the last backward of the next step.
  virtual Loss finish_gradients() = 0;
  // Called before the optimizer's step.
  virtual void before_update() {}
  // Called after the optimizer's step. Returns whether the ranks have communicated in this step.
  virtual bool after_update() { return true; }
  // Makes the parameters of all ranks equal. A collective.
  virtual void synchronize_parameters() {}
  // The same for everything that a checkpoint saves. A collective.
  virtual void synchronize() { synchronize_parameters(); }

  // The summed gradients that this rank keeps.
  virtual Arena& gradients() = 0;
  // Adds lines for memory other than parameters, gradients() and optimizer state.
  virtual void report(MemoryReport&) {}

  // Why the device's work of a step cannot be recorded and replayed without calling this object
  // again (DataParallel::replay_step); empty if it can.
  virtual std::string obstacle_to_replay() const { return "its strategy does not support it"; }
  // Forgets the micro-batches of an unfinished step. Called only if steps can be replayed.
  virtual void abandon_step() {}
  // Calls enqueue(), which enqueues the recorded work of a step.
  virtual void replay(const std::function<void()>& enqueue) { enqueue(); }
  // Number of hooks (on_gradient) that it has added to each parameter. They only enqueue work.
  virtual std::size_t hooks() const { return 0; }

  // Whether each rank takes optimizer steps on its own gradients, between steps that communicate.
  virtual bool has_local_steps() const { return false; }
  // Number of slots in strict mode, else 0.
  virtual int slots() const { return 0; }
  // Number of buckets summed per backward; 0 if gradients are not summed in buckets.
  virtual std::size_t buckets() const { return 0; }
  // One line for the run's log, empty if there is nothing to report.
  virtual std::string description() const { return ""; }
};

}  // namespace ripieno::distributed
