// TreeSum: adds up what the ranks hold of the tree of slots (slot_tree.h), to the same bits on any
// number of ranks.
//
// Numbers travel unsummed to the rank whose slice they are in, and back as sums: the traffic of an
// all-reduce for each node that a rank holds. That is one where the ranks share out the slots in
// equal powers of two.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include "ripieno/distributed/communicator.h"
#include "ripieno/distributed/slot_tree.h"

namespace ripieno::distributed {

class TreeSum {
 public:
  // For tensors of `elements` of that type and place, of which about `piece_bytes` travel at once.
  TreeSum(Communicator& communicator, int slots, int64_t elements, DType dtype, Device device,
          std::size_t piece_bytes);

  // `nodes`: what this rank holds, nodes_within(slots_of(rank)), each (elements). Leaves the sum of
  // all slots in the first of them. A collective.
  void sum(const std::vector<Tensor>& nodes);

 private:
  void send_slices(const std::vector<Tensor>& nodes, int64_t begin);
  void add_up();
  void receive_sums(const Tensor& out, int64_t begin);
  // The part of a rank's slice of the piece at `begin` that lies within the tensors.
  std::pair<int64_t, int64_t> slice_of_rank(int rank, int64_t begin) const;

  Communicator& communicator_;
  int64_t elements_;
  int64_t slice_ = 0;                // elements of a piece that a rank adds up
  bool one_each_ = false;            // two ranks with a node each: an all-reduce is that sum
  std::vector<std::size_t> places_;  // of each node of the tree, in order, among those received
  std::vector<Addition> additions_;  // between places
  Tensor sent_, received_;           // (ranks, most nodes of a rank, slice)
  Tensor sums_;                      // (ranks, slice)
};

}  // namespace ripieno::distributed
