// DataParallel: trains one model on several ranks as if their rows were one batch on one rank.
//
//   parallel.backward(model.loss(inputs, targets));
//   parallel.step();
//
// All ranks start with rank 0's parameters and buffers. backward() sums gradients over the ranks
// while it computes them. step() divides by the total count of the ranks' losses, so means are
// correct even if ranks have different numbers of rows. Batch norms use the statistics of all
// ranks' rows (nn/channel_norm.h); all ranks must then have the same number of micro-batches. Other
// buffers are not averaged: each rank updates its copy from its own rows; synchronize_parameters()
// and synchronize() broadcast rank 0's.
//
// One thread uses it. The constructor, the destructor, backward(), step() and the two synchronize
// functions are collectives: every rank calls them in the same order, except that the number of
// micro-batches may differ. On one rank nothing is communicated. If a peer is lost or
// times out, collectives throw CommunicationFailure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "ripieno/core/losses/cross_entropy.h"
#include "ripieno/core/nn/module.h"
#include "ripieno/core/optim/optimizer.h"
#include "ripieno/core/statistics_sum.h"
#include "ripieno/distributed/communicators/communicator.h"
#include "ripieno/distributed/gradients/bucket_size.h"
#include "ripieno/distributed/phase_times.h"
#include "ripieno/distributed/strategies/make_strategy.h"
#include "ripieno/distributed/strategies/memory_report.h"
#include "ripieno/distributed/strategies/options.h"
#include "ripieno/distributed/strategies/strategy.h"

namespace ripieno::distributed {

class FirstStep;
class RankStatistics;

class DataParallel {
 public:
  // Whether a micro-batch is the last one of its step, or more follow.
  enum class Accumulate { last, more };

  // model, optimizer and communicator must outlive this. Move the model to its device and element
  // type first: after a later move backward() throws Error. A collective. Throws Error if the
  // optimizer was constructed for another model, and ConfigurationError if the ranks' models or
  // options differ, or if the options cannot be combined with each other or with the optimizer.
  DataParallel(nn::Module& model, optim::Optimizer& optimizer, Communicator& communicator,
               const DataParallelOptions& options = {});
  ~DataParallel();
  DataParallel(const DataParallel&) = delete;
  DataParallel& operator=(const DataParallel&) = delete;

  // Computes the gradients of a micro-batch and adds them to those of the step. The ranks
  // communicate once per step, in the last micro-batch; in each one with Shard::gradients. Ranks
  // may have different numbers of micro-batches. Throws Error after the last micro-batch of a step
  // until step() is called; in strict mode, which requires backward(rows, loss_of); and in the
  // first step if the loss depends on a tensor that requires a gradient but is not a parameter of
  // the model, such as one of a module that was never registered.
  void backward(const Loss& loss, Accumulate accumulate = Accumulate::last);
  // For a rank without rows, or without more rows, in this step: takes part in the communication.
  // Throws Error as above.
  void backward();
  // Computes the gradients of all micro-batches of a step. rows: number of this rank's rows, the
  // first of which is row random_context().first_row of the global batch. loss_of(begin, end) must
  // return the Loss of rows begin .. end - 1 of these. In strict mode several threads call it at
  // the same time, each for one slot, and Error is thrown unless the rows are this rank's slots.
  template <typename LossOf>
  void backward(int64_t rows, const LossOf& loss_of) {
    backward_of_rows(rows, std::cref(loss_of));
  }
  // Waits for the summed gradients and takes one optimizer step, the same on every rank. Throws
  // Error unless the last micro-batch has been passed to backward(); in the first step
  // ConfigurationError, on every rank, if two ranks loaded the same rows with a BatchLoader.
  void step();
  // The trainable parameters on which no rank's loss depended in the first step; empty before. They
  // are not trained.
  const std::vector<std::string>& unused_parameters() const { return unused_parameters_; }
  // Whether the ranks communicated in the last step(); false between the outer steps of DiLoCo.
  bool met() const { return met_; }
  // Whether each rank takes optimizer steps on its own gradients (DiLoCo).
  bool has_local_steps() const { return strategy_->has_local_steps(); }
  // Whether the strategy keeps what it did not send of a gradient for the next one (PowerSGD). It
  // would keep values that are not finite.
  bool has_error_feedback() const { return has_error_feedback_; }
  // Makes the parameters and buffers of all ranks equal; call it before evaluating the model. With
  // DiLoCo it takes an outer step. A collective.
  void synchronize_parameters();
  // Optimizer::exchange_average() on all ranks. Throws Error with DiLoCo, whose ranks have averages
  // of their own. A collective.
  void exchange_average();
  // The same for everything that a checkpoint saves: also averages optimizer state with DiLoCo. A
  // collective.
  void synchronize();
  // Whether buffers are equal on all ranks: false from a backward() until the next synchronization.
  bool buffers_are_equal() const { return buffers_are_equal_; }

  // ---- Recording a step, for StepGraph (training/step_graph.h)

  // Why the device's work of a step cannot be recorded and replayed; empty if it can.
  std::string obstacle_to_replay() const;
  // Begins a step before its backward(): does the host's part of the optimizer's step, which writes
  // to device memory what changes from step to step. The backward() and step() that follow enqueue
  // the same work in every such step, until replay_facts() change.
  void begin_step();
  // Whether a step has begun so, and step() has not been called.
  bool has_begun_step() const { return has_begun_; }
  // Calls enqueue(), which enqueues the recorded work of the step that has begun. A collective.
  void replay(const std::function<void()>& enqueue) { strategy_->replay(enqueue); }
  // Takes a step without backward() and step(): `enqueue` enqueues their recorded work. A
  // collective.
  void replay_step(const std::function<void()>& enqueue);
  // Discards the backward() and step() of a step that began with begin_step(), none of whose work
  // runs. The step can then be computed again.
  void abandon_step();
  // Numbers on which the work of a step depends: which parameters are trained, where they are, and
  // whether the model is in training mode.
  std::vector<uint64_t> replay_facts() const;
  // Whether `holds` on all ranks, which must record and replay the same steps. A collective, on the
  // host; returns at once on one rank.
  bool holds_on_all_ranks(bool holds);
  // The first rank on which it does not hold; size() if there is none. Also a collective.
  int first_rank_without(bool holds);
  int rank() const { return communicator_.rank(); }
  // Number of steps taken by replay_step(). Their phases are not measured by seconds().
  int64_t replayed_steps() const { return replayed_steps_; }
  Device device() const { return device_; }

  // The loss of the last step over all micro-batches and ranks; of this rank only if
  // has_local_steps(). Its tensors are valid until the last backward() of the next step.
  const Loss& loss() const { return loss_; }
  // Seconds spent in each phase since construction; on a GPU, of the work that has completed.
  const ParallelSeconds& seconds() { return times_.seconds(); }
  // The size of gradient buckets and how it was chosen.
  const BucketSize& bucket_size() const { return bucket_size_; }
  // Number of buckets summed per backward; 0 if gradients are not summed in buckets (one rank,
  // strict mode, DiLoCo).
  std::size_t buckets() const { return strategy_->buckets(); }
  // The memory of this rank: parameters, gradients, optimizer state, memory of the strategy, and
  // temporary memory of communication. Allocates what has not been allocated yet.
  MemoryReport memory_report();
  // Number of slots in strict mode; 0 if it is disabled.
  int slots() const { return strategy_->slots(); }
  // One line for the log about the strategy, empty for most.
  std::string description() const { return strategy_->description(); }

 private:
  void backward_of_rows(int64_t rows, const Strategy::LossOf& loss_of);
  void begin_backward();
  void require_not_moved() const;
  void broadcast_buffers();

  nn::Module& model_;
  optim::Optimizer& optimizer_;
  Communicator& communicator_;
  const Device device_;  // of the parameters at construction
  const DType dtype_;
  const bool has_error_feedback_;
  BucketSize bucket_size_;
  PhaseTimes times_;
  std::unique_ptr<Strategy> strategy_;
  std::shared_ptr<RankStatistics> statistics_;  // null unless the ranks share batch statistics
  std::unique_ptr<SharedStatistics> shared_statistics_;
  std::unique_ptr<FirstStep> first_step_;  // null after the first step
  std::vector<std::string> unused_parameters_;
  bool complete_ = false;   // the last backward of the step has run
  bool has_begun_ = false;  // by begin_step()
  int64_t replayed_steps_ = 0;
  Tensor ranks_without_;  // (1) int64, on the host; of holds_on_all_ranks()
  bool met_ = true;
  bool buffers_are_equal_ = false;
  Loss loss_;
};

}  // namespace ripieno::distributed
