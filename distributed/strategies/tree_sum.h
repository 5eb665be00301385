// TreeSum: sums over the ranks along the tree of slots (slot_tree.h), with bitwise identical
// results on any number of ranks. For StrictBackward.
//
// Each rank sums one slice: it receives the slice of every node and sends its sum to all. This is
// the traffic of one all-reduce per node that a rank holds. A rank holds one node if all ranks have
// the same number of slots, a power of two.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include "ripieno/distributed/communicators/communicator.h"
#include "ripieno/distributed/strategies/slot_tree.h"

namespace ripieno::distributed {

class TreeSum {
 public:
  // For tensors of `dtype` on `device`, communicated in chunks of at most `chunk_bytes`.
  // `communicator` must outlive this.
  TreeSum(Communicator& communicator, int slots, DType dtype, Device device,
          std::size_t chunk_bytes);

  // Replaces elements begin .. end - 1 of nodes[0] by the sum over all slots. nodes: the values of
  // this rank's nodes, nodes_within(slots_of(rank)), each (n). A collective.
  void sum(const std::vector<Tensor>& nodes, int64_t begin, int64_t end);

  // Bytes of the communication buffers.
  int64_t bytes() const;

 private:
  // A range that is communicated at once; rank r sums the r-th slice, of `slice` elements.
  struct Chunk {
    int64_t begin, end, slice;
  };
  // First and last + 1 element of a rank's slice, which the end of the chunk may shorten.
  static std::pair<int64_t, int64_t> slice_of(const Chunk& chunk, int rank);

  void sum_chunk(const std::vector<Tensor>& nodes, const Chunk& chunk);
  void send_slices(const std::vector<Tensor>& nodes, const Chunk& chunk);
  void add_up(const Chunk& chunk);
  void receive_sums(const Tensor& out, const Chunk& chunk);

  Communicator& communicator_;
  int64_t chunk_elements_ = 0;
  int64_t held_ = 0;                 // maximum number of nodes of a rank
  bool one_each_ = false;            // two ranks with one node each: uses all_reduce
  std::vector<int64_t> positions_;   // of each node of all ranks, in units of slices of received_
  std::vector<Addition> additions_;  // of nodes, by index in positions_
  Tensor sent_, received_;           // buffers, up to (ranks, held_, slice)
  Tensor sums_;                      // buffer, up to (ranks, slice)
};

}  // namespace ripieno::distributed
