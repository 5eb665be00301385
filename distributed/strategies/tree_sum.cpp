#include "ripieno/distributed/strategies/tree_sum.h"

#include <algorithm>

#include "ripieno/core/autograd.h"
#include "ripieno/core/ops/arithmetic.h"

namespace ripieno::distributed {

TreeSum::TreeSum(Communicator& communicator, int slots, DType dtype, Device device,
                 std::size_t chunk_bytes)
    : communicator_(communicator),
      chunk_elements_(std::max<int64_t>(1, static_cast<int64_t>(chunk_bytes / size_of(dtype)))) {
  const int ranks = communicator.size();
  if (ranks == 1) return;
  std::vector<std::vector<SlotRange>> of_ranks;
  for (int rank = 0; rank < ranks; ++rank) {
    of_ranks.push_back(nodes_within(slots_of(rank, ranks, slots), slots));
    held_ = std::max(held_, static_cast<int64_t>(of_ranks.back().size()));
  }
  std::vector<SlotRange> all;
  for (const auto& nodes : of_ranks) {
    const int64_t rank = &nodes - of_ranks.data();
    for (const SlotRange& node : nodes) {
      positions_.push_back(rank * held_ + (&node - nodes.data()));
      all.push_back(node);
    }
  }
  additions_ = additions_of(all, slots);
  one_each_ = ranks == 2 && held_ == 1;
  if (one_each_) return;
  const int64_t most = (chunk_elements_ + ranks - 1) / ranks * ranks;
  sent_ = Tensor::zeros({most * held_}, dtype, device);
  received_ = Tensor::zeros({most * held_}, dtype, device);
  sums_ = Tensor::zeros({most}, dtype, device);
}

void TreeSum::sum(const std::vector<Tensor>& nodes, int64_t begin, int64_t end) {
  const int ranks = communicator_.size();
  if (ranks == 1) return;
  const NoGrad no_grad;
  if (one_each_) return communicator_.all_reduce(nodes[0].slice(0, begin, end));
  for (; begin < end; begin += chunk_elements_) {
    const int64_t chunk_end = std::min(begin + chunk_elements_, end);
    sum_chunk(nodes, {begin, chunk_end, (chunk_end - begin + ranks - 1) / ranks});
  }
}

void TreeSum::sum_chunk(const std::vector<Tensor>& nodes, const Chunk& chunk) {
  const int64_t elements = communicator_.size() * chunk.slice;
  send_slices(nodes, chunk);
  communicator_.all_to_all(received_.slice(0, 0, elements * held_),
                           sent_.slice(0, 0, elements * held_));
  add_up(chunk);
  communicator_.all_gather(sums_.slice(0, 0, elements), received_.slice(0, 0, chunk.slice));
  receive_sums(nodes[0], chunk);
}

void TreeSum::send_slices(const std::vector<Tensor>& nodes, const Chunk& chunk) {
  for (int rank = 0; rank < communicator_.size(); ++rank) {
    const auto [from, to] = slice_of(chunk, rank);
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      const int64_t at = (rank * held_ + static_cast<int64_t>(i)) * chunk.slice;
      sent_.slice(0, at, at + to - from).copy_from(nodes[i].slice(0, from, to));
    }
  }
}

void TreeSum::add_up(const Chunk& chunk) {
  const auto at = [&](std::size_t node) {
    const int64_t begin = positions_[node] * chunk.slice;
    return received_.slice(0, begin, begin + chunk.slice);
  };
  for (const auto& [into, from] : additions_) add_into(at(into), at(from));
}

void TreeSum::receive_sums(const Tensor& out, const Chunk& chunk) {
  for (int rank = 0; rank < communicator_.size(); ++rank) {
    const auto [from, to] = slice_of(chunk, rank);
    const int64_t at = rank * chunk.slice;
    out.slice(0, from, to).copy_from(sums_.slice(0, at, at + to - from));
  }
}

int64_t TreeSum::bytes() const {
  if (!sent_.defined()) return 0;
  return static_cast<int64_t>(sent_.bytes() + received_.bytes() + sums_.bytes());
}

std::pair<int64_t, int64_t> TreeSum::slice_of(const Chunk& chunk, int rank) {
  const int64_t from = std::min(chunk.begin + rank * chunk.slice, chunk.end);
  return {from, std::min(from + chunk.slice, chunk.end)};
}

}  // namespace ripieno::distributed
