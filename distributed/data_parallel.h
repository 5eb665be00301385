// DataParallel: trains one model on the batches of all ranks, as if it were one batch on one.
//
//   parallel.backward(model.loss(inputs, targets));
//   parallel.step();
//
// Every rank starts from rank 0's parameters. backward() sums the gradients of all ranks while it
// makes them, and step() divides by what all ranks' losses count, so means are right however the
// batch is cut. On one rank it costs nothing. One thread uses it; it is used and destroyed on every
// rank alike.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "ripieno/core/losses/cross_entropy.h"
#include "ripieno/core/nn/module.h"
#include "ripieno/core/optim/optimizer.h"
#include "ripieno/distributed/communicators/communicator.h"
#include "ripieno/distributed/gradients/bucket_size.h"
#include "ripieno/distributed/phase_times.h"
#include "ripieno/distributed/strategies/diloco.h"
#include "ripieno/distributed/strategies/memory_report.h"

namespace ripieno::distributed {

class GradientReducer;
class ShardedOptimizer;
class StrictBackward;

// What the ranks keep only once, each its part: the optimizer's state, or the gradients as well
// (ZeRO stages 1 and 2: Rajbhandari et al., 2020, arXiv 1910.02054).
enum class Shard { none, optimizer, gradients };

struct DataParallelOptions {
  Shard shard = Shard::none;
  // Gradients are summed in ranges of the arena of about this size; as suits the link between the
  // ranks, which is then measured, where there is no number.
  std::optional<std::size_t> bucket_bytes = {};
  // Sum while backward runs, in a thread of its own: over MPI that takes MPI_THREAD_MULTIPLE.
  bool overlap = true;
  // Rows that backward(rows, …) takes at once; 0: all of them.
  int64_t micro_batch_size = 0;
  // The same bits on any number of ranks and threads: the global batch is cut into so many slots
  // (strict_backward.h), which take the place of micro-batches. 0: as fast as it goes.
  int slots = 0;
  // What gradients cross the network as (wire.h): the parameters' own type, or bfloat16.
  DType wire = DType::float32;
  int power_sgd_rank = 0;     // power_sgd.h; 0: off
  DilocoOptions diloco = {};  // steps of 0: off
};

// Throws ConfigurationError where they do not go together; the constructor of DataParallel asks it.
void check(const DataParallelOptions& options);

class DataParallel {
 public:
  enum class Accumulate { last, more };

  // The three outlive this. A collective. Throws Error where the optimizer is another model's.
  DataParallel(nn::Module& model, optim::Optimizer& optimizer, Communicator& communicator,
               const DataParallelOptions& options = {});
  ~DataParallel();
  DataParallel(const DataParallel&) = delete;
  DataParallel& operator=(const DataParallel&) = delete;

  // Adds the gradients of a micro-batch. Accumulate::more: further ones of this step follow; the
  // ranks communicate once, with the last; where gradients are sharded, with each. Ranks may cut
  // their part into different numbers of them.
  void backward(const Loss& loss, Accumulate accumulate = Accumulate::last);
  // This rank has nothing in this step, or nothing more: it only meets the others.
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
  // Whether the last step() met the other ranks: not those between the outer steps of DiLoCo.
  bool met() const { return met_; }
  // Whether each rank's optimizer makes steps of its own (DiLoCo).
  bool steps_alone() const { return diloco_ != nullptr; }
  // Makes the ranks whole and alike where they may differ, before one of them is measured or all
  // are saved. A collective.
  void synchronize();

  // Of the last step: over all micro-batches and ranks; of this rank where it steps_alone(). Stands
  // until the next step's last backward.
  const Loss& loss() const { return loss_; }
  // Where the time went since this was made: of what is done, on a GPU.
  const ParallelSeconds& seconds() { return times_.seconds(); }
  const BucketSize& bucket_size() const { return bucket_size_; }
  // Of one backward; 0 where there is one rank, or each trains on its own.
  std::size_t buckets() const;
  // What this rank keeps, once everything has its memory, which this gives it: parameters,
  // gradients, the optimizer's state; and what the communication takes for a while. What strict
  // mode, PowerSGD and DiLoCo need besides is not in it.
  MemoryReport memory_report();
  // Of strict mode; 0: it is not on.
  int slots() const;
  // What is not as usual, in a line for people; empty: nothing.
  std::string description() const;

 private:
  void backward_of_rows(int64_t rows, const std::function<Loss(int64_t, int64_t)>& loss_of);
  void backward_of_micro_batches(int64_t rows,
                                 const std::function<Loss(int64_t, int64_t)>& loss_of);
  void add(const Loss& loss);
  void require_open() const;
  bool begin_round(bool more);
  void finish_rounds();
  void keep_part();
  void start_alike(Shard shard);

  optim::Optimizer& optimizer_;
  Communicator& communicator_;
  const int64_t micro_batch_size_;
  BucketSize bucket_size_;
  std::unique_ptr<StrictBackward> strict_;    // in strict mode
  std::unique_ptr<Diloco> diloco_;            // where ranks train on their own
  std::shared_ptr<GradientReducer> reducer_;  // where there are several ranks, else
  std::unique_ptr<ShardedOptimizer> sharded_;
  Loss part_;              // this rank's, of the step that is under way
  bool complete_ = false;  // its last backward has run
  int rounds_ = 0;         // of the reducer, that this step has begun
  bool met_ = true;
  Tensor kept_part_;  // (2) float64: of a step that met no other rank
  Loss loss_;
  PhaseTimes times_;
};

}  // namespace ripieno::distributed
