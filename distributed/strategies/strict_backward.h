// StrictBackward: computes gradients and loss of a batch that are bitwise identical on any number
// of ranks and threads.
//
// The global batch is cut into a fixed number of slots of equal size. One thread computes a slot;
// the slots of a rank run in parallel. Their gradients are summed in a fixed tree (slot_tree.h),
// independent of which thread computed a slot and when. One thread uses it.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "ripieno/core/arena/parameters.h"
#include "ripieno/core/arena/separate_gradients.h"
#include "ripieno/core/losses/cross_entropy.h"
#include "ripieno/core/nn/buffer_updates.h"
#include "ripieno/core/random.h"
#include "ripieno/distributed/communicators/communicator.h"
#include "ripieno/distributed/gradients/buckets.h"
#include "ripieno/distributed/strategies/slot_team.h"
#include "ripieno/distributed/strategies/slot_tree.h"
#include "ripieno/distributed/strategies/tree_sum.h"

namespace ripieno::distributed {

class StrictBackward {
 public:
  using LossOf = std::function<Loss(int64_t begin, int64_t end)>;

  // Computes as many slots in parallel as kernels::cpu_threads() returns now; one at a time on a
  // GPU. bucket_bytes: gradients per collective. `communicator` must outlive this. Throws
  // ConfigurationError if there are fewer slots than ranks.
  StrictBackward(const Parameters& parameters, Communicator& communicator, int slots,
                 std::size_t bucket_bytes);

  // Computes the gradients of this rank's `rows`, the first of which is row
  // random_context().first_row of the global batch. loss_of(begin, end) must return the loss of
  // rows begin .. end - 1 of these; it is called from several threads at the same time, each with
  // its own random_context(). seed: scalar gradient of the loss, 1 if undefined. Throws Error
  // unless the rows can be cut into this rank's slots; rethrows exceptions of loss_of.
  void backward(int64_t rows, const LossOf& loss_of, const Tensor& seed = {});
  // Sums over the ranks: stores the gradients of the global batch in the parameters' gradients, and
  // returns its loss, float64. A collective. Throws Error if the slots have different numbers of
  // rows, and CommunicationFailure. Also applies the buffer updates of all slots, in slot order.
  Loss finish();

  int slots() const { return slots_; }
  // Bytes of the additional sets of gradients, and of the buffers for communication.
  int64_t bytes_beside_gradients();
  // One line for the log.
  std::string description() const;

 private:
  // A node of the tree and the index in sets_ of its gradients.
  struct Node {
    SlotRange slots;
    int set = -1;  // -1: none
  };

  void prepare(int64_t rows);
  void make_sets();
  void take_slots(int64_t rows, const LossOf& loss_of);
  bool next_slot(Node& node);
  void compute(const Node& node, int64_t rows, const LossOf& loss_of);
  void add_to_siblings(Node node);
  bool take_sibling(const Node& node, Node& sibling);
  void cancel();
  void add_remaining();
  int list_additions(SlotRange node);
  double total(int column, SlotRange node) const;
  void require_equal_slots() const;
  void apply_buffer_updates();
  int set_count() const;
  Node& waiting_at(int slot) { return waiting_[static_cast<std::size_t>(slot - owned_.begin)]; }
  SeparateGradients& gradients_at(int set) { return *sets_[static_cast<std::size_t>(set)]; }

  Parameters parameters_;
  nn::BufferUpdates buffer_updates_;
  Communicator& communicator_;
  const int slots_;
  const std::size_t bucket_bytes_;
  const SlotRange owned_;
  const std::vector<SlotRange> nodes_;  // summed by this rank without communication
  SlotTeam team_;
  std::vector<std::unique_ptr<Arena>> arenas_;            // of sets_ except the first
  std::vector<std::unique_ptr<SeparateGradients>> sets_;  // the first: the parameters' gradients
  std::unique_ptr<TreeSum> tree_sum_;
  std::vector<Bucket> buckets_;
  std::vector<Tensor> sums_;                   // of nodes_, after backward()
  std::vector<Addition> remaining_additions_;  // indices in sets_
  Tensor totals_;                              // (slots, 3) float64: sum, count, rows of each
  RandomContext context_;                      // at the first row of this rank
  Tensor seed_;

  std::mutex mutex_;  // guards the members below while slots are computed
  std::condition_variable changed_;
  std::vector<int> free_sets_;  // indices in sets_
  std::vector<Node> waiting_;   // by first slot: nodes that wait for their sibling
  int next_ = 0;                // next slot to compute
  bool failed_ = false;
};

}  // namespace ripieno::distributed
