// StrictBackward: gradients and loss of a batch to the same bits on any number of ranks and
// threads.
//
// The global batch is cut into a fixed number of slots. A slot is one unit of one shape, computed
// by one thread; a rank's slots run side by side. What they give is added up in one fixed tree
// (slot_tree.h), whoever computed what, and when. One thread uses it.
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

  // As many slots at once as kernels::cpu_threads() now says; one after the other on a GPU.
  // Throws ConfigurationError where there are fewer slots than ranks.
  StrictBackward(const Parameters& parameters, Communicator& communicator, int slots,
                 std::size_t bucket_bytes);

  // This rank's `rows` begin at random_context().first_row of the global batch; loss_of(begin, end)
  // is the loss of some of them. It is called from several threads at once, each with a
  // random_context() of its own. Throws Error where the rows are not this rank's slots.
  // Each backward starts from `seed`, 1 where it is undefined.
  void backward(int64_t rows, const LossOf& loss_of, const Tensor& seed = {});
  // Leaves the gradients of the global batch in the parameters', and returns its loss, float64. A
  // collective.
  Loss finish();

  int slots() const { return slots_; }
  // What it keeps in memory: gradients of slots that wait to be added, and of other ranks'.
  int64_t bytes_beside_gradients();
  // "strict: …", for people.
  std::string description() const;

 private:
  // Gradients of a node of the tree, and where they stand.
  struct Node {
    SlotRange slots;
    int place = -1;
  };

  void prepare(int64_t rows);
  void make_places();
  void take_slots(int64_t rows, const LossOf& loss_of);
  bool next_slot(Node& node);
  void compute(const Node& node, int64_t rows, const LossOf& loss_of);
  void add_up(Node node);
  bool take_sibling(const Node& node, Node& sibling);
  void give_up();
  void add_what_is_left();
  int list_additions(SlotRange node);
  double total(int column, SlotRange node) const;
  void require_equal_slots() const;
  int place_count() const;
  Node& waiting_at(int slot) { return waiting_[static_cast<std::size_t>(slot - own_.begin)]; }
  SeparateGradients& gradients_at(int place) { return *places_[static_cast<std::size_t>(place)]; }

  Parameters parameters_;
  Communicator& communicator_;
  const int slots_;
  const std::size_t bucket_bytes_;
  const SlotRange own_;
  const std::vector<SlotRange> nodes_;  // that this rank adds up alone
  SlotTeam team_;
  std::vector<std::unique_ptr<Arena>> arenas_;              // of the places but the first
  std::vector<std::unique_ptr<SeparateGradients>> places_;  // the first: the parameters' own
  std::unique_ptr<TreeSum> tree_sum_;
  std::vector<Bucket> buckets_;
  std::vector<Tensor> sums_;           // of nodes_, once the slots are computed
  std::vector<Addition> left_to_add_;  // between places
  Tensor totals_;                      // (slots, 3) float64: sum, count, rows of each
  RandomContext context_;              // of the global batch
  Tensor seed_;

  std::mutex mutex_;  // guards what follows while slots are computed
  std::condition_variable changed_;
  std::vector<int> free_;      // places
  std::vector<Node> waiting_;  // by its first slot: a node that waits for its sibling
  int next_ = 0;               // slot
  bool failed_ = false;
};

}  // namespace ripieno::distributed
