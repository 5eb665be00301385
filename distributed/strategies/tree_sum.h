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

#include "ripieno/distributed/communicators/communicator.h"
#include "ripieno/distributed/strategies/slot_tree.h"

namespace ripieno::distributed {

class TreeSum {
 public:
  // For tensors of that type and place, of which `piece_bytes` travel at once at most.
  TreeSum(Communicator& communicator, int slots, DType dtype, Device device,
          std::size_t piece_bytes);

  // `nodes`: what this rank holds, nodes_within(slots_of(rank)), each (n). Of elements begin ..
  // end - 1 leaves the sum over all slots in the first of them. A collective.
  void sum(const std::vector<Tensor>& nodes, int64_t begin, int64_t end);

  // Of the room that it keeps for what travels.
  int64_t bytes() const;

 private:
  // What travels at once: rank r adds up the r-th slice of it.
  struct Piece {
    int64_t begin, end, slice;
  };
  // The part of a rank's slice that lies within the piece.
  static std::pair<int64_t, int64_t> slice_of(const Piece& piece, int rank);

  void sum_piece(const std::vector<Tensor>& nodes, const Piece& piece);
  void send_slices(const std::vector<Tensor>& nodes, const Piece& piece);
  void add_up(const Piece& piece);
  void receive_sums(const Tensor& out, const Piece& piece);

  Communicator& communicator_;
  int64_t piece_elements_ = 0;
  int64_t held_ = 0;                 // the most nodes that a rank holds
  bool one_each_ = false;            // two ranks with a node each: an all-reduce is that sum
  std::vector<int64_t> places_;      // of each node of the tree, in order, among those received
  std::vector<Addition> additions_;  // between them
  Tensor sent_, received_;           // room for (ranks, held, slice)
  Tensor sums_;                      // room for (ranks, slice)
};

}  // namespace ripieno::distributed
