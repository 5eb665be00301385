// DataParallel: trains one model on the batches of all ranks, as if it were one batch on one.
//
//   parallel.backward(model.loss(inputs, targets));
//   parallel.step();
//
// Every rank starts from rank 0's parameters and buffers. backward() sums the gradients of all
// ranks while it makes them, and step() divides by what all ranks' losses count, so means are right
// however the batch is cut. Buffers (running statistics) are not averaged: each rank updates its
// copy from its rows, and synchronize_parameters() and synchronize() broadcast rank 0's. On one
// rank it costs nothing. One thread uses it; it is used and destroyed on every rank alike.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "ripieno/core/losses/cross_entropy.h"
#include "ripieno/core/nn/module.h"
#include "ripieno/core/optim/optimizer.h"
#include "ripieno/distributed/communicators/communicator.h"
#include "ripieno/distributed/gradients/bucket_size.h"
#include "ripieno/distributed/phase_times.h"
#include "ripieno/distributed/strategies/make_strategy.h"
#include "ripieno/distributed/strategies/memory_report.h"
#include "ripieno/distributed/strategies/options.h"
#include "ripieno/distributed/strategies/strategy.h"

namespace ripieno::distributed {

class DataParallel {
 public:
  enum class Accumulate { last, more };

  // The three outlive this. The model is moved to its device and element type before: a later
  // move makes backward() throw Error. A collective. Throws Error where the optimizer was made for
  // another model, and ConfigurationError where the ranks differ or the options cannot work.
  DataParallel(nn::Module& model, optim::Optimizer& optimizer, Communicator& communicator,
               const DataParallelOptions& options = {});
  ~DataParallel();
  DataParallel(const DataParallel&) = delete;
  DataParallel& operator=(const DataParallel&) = delete;

  // Adds the gradients of a micro-batch. Accumulate::more: further ones of this step follow; the
  // ranks communicate once, with the last; where gradients are sharded, with each. Ranks may have
  // different numbers of micro-batches.
  void backward(const Loss& loss, Accumulate accumulate = Accumulate::last);
  // This rank has no rows in this step, or no more; it only takes part in the communication.
  void backward();
  // All micro-batches of a step: loss_of(begin, end) is the loss of some of this rank's `rows`,
  // which begin at random_context().first_row of the global batch. In strict mode several threads
  // call it at once, each for a slot.
  template <typename LossOf>
  void backward(int64_t rows, const LossOf& loss_of) {
    backward_of_rows(rows, std::cref(loss_of));
  }
  // One step of the optimizer, the same on every rank. Throws CommunicationFailure where a peer was
  // lost.
  void step();
  // Whether the ranks communicated in the last step(): not between the outer steps of DiLoCo.
  bool met() const { return met_; }
  // Whether each rank's optimizer makes steps of its own (DiLoCo).
  bool steps_alone() const { return strategy_->steps_alone(); }
  // Makes the parameters and buffers of all ranks equal where they may differ, before the model is
  // evaluated. A collective.
  void synchronize_parameters();
  // The same of everything that a checkpoint saves. A collective.
  void synchronize();
  // Whether no backward() has run since the buffers of all ranks were made equal.
  bool buffers_are_equal() const { return buffers_are_equal_; }

  // Of the last step: over all micro-batches and ranks; of this rank where it steps_alone(). Valid
  // until the next step's last backward.
  const Loss& loss() const { return loss_; }
  // Where the time went since this was made; on a GPU, of the work that is done.
  const ParallelSeconds& seconds() { return times_.seconds(); }
  const BucketSize& bucket_size() const { return bucket_size_; }
  // Summed in each backward; 0 where there is one rank, or each trains on its own.
  std::size_t buckets() const { return strategy_->buckets(); }
  // What this rank keeps in memory, which is allocated by this call where it is not yet:
  // parameters, gradients, the optimizer's state, what the strategy keeps, and what communication
  // takes temporarily.
  MemoryReport memory_report();
  // Of strict mode; 0 where it is off.
  int slots() const { return strategy_->slots(); }
  // One line about what is unusual; empty: nothing is.
  std::string description() const { return strategy_->description(); }

 private:
  void backward_of_rows(int64_t rows, const Strategy::LossOf& loss_of);
  void begin_backward();
  void require_not_moved() const;
  void broadcast_buffers();

  nn::Module& model_;
  optim::Optimizer& optimizer_;
  Communicator& communicator_;
  const Device device_;  // of the parameters when this was made
  const DType dtype_;
  BucketSize bucket_size_;
  PhaseTimes times_;
  std::unique_ptr<Strategy> strategy_;
  bool complete_ = false;  // the last backward of the step has run
  bool met_ = true;
  bool buffers_are_equal_ = false;
  Loss loss_;
};

}  // namespace ripieno::distributed
