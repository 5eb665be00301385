#include "ripieno/distributed/tree_sum.h"

#include <algorithm>

#include "ripieno/core/autograd.h"
#include "ripieno/core/ops/arithmetic.h"

namespace ripieno::distributed {

TreeSum::TreeSum(Communicator& communicator, int slots, int64_t elements, DType dtype,
                 Device device, std::size_t piece_bytes)
    : communicator_(communicator), elements_(elements) {
  const int ranks = communicator.size();
  if (ranks == 1) return;
  std::vector<SlotRange> nodes;
  std::size_t most = 0;
  std::vector<std::vector<SlotRange>> of_ranks;
  for (int rank = 0; rank < ranks; ++rank) {
    of_ranks.push_back(nodes_within(slots_of(rank, ranks, slots), slots));
    most = std::max(most, of_ranks.back().size());
  }
  for (std::size_t rank = 0; rank < of_ranks.size(); ++rank) {
    for (std::size_t i = 0; i < of_ranks[rank].size(); ++i) {
      nodes.push_back(of_ranks[rank][i]);
      places_.push_back(rank * most + i);
    }
  }
  additions_ = additions_of(nodes, slots);
  one_each_ = ranks == 2 && most == 1;
  const auto piece = static_cast<int64_t>(piece_bytes / size_of(dtype));
  slice_ = (std::clamp<int64_t>(piece, 1, std::max<int64_t>(elements, 1)) + ranks - 1) / ranks;
  if (one_each_) return;
  const auto held = static_cast<int64_t>(most);
  sent_ = Tensor::zeros({ranks, held, slice_}, dtype, device);
  received_ = Tensor::zeros({ranks, held, slice_}, dtype, device);
  sums_ = Tensor::zeros({ranks, slice_}, dtype, device);
}

void TreeSum::sum(const std::vector<Tensor>& nodes) {
  const int ranks = communicator_.size();
  if (ranks == 1) return;
  const NoGrad no_grad;
  for (int64_t begin = 0; begin < elements_; begin += ranks * slice_) {
    if (one_each_) {
      communicator_.all_reduce(
          nodes[0].slice(0, begin, std::min(begin + ranks * slice_, elements_)));
      continue;
    }
    send_slices(nodes, begin);
    communicator_.all_to_all(received_, sent_);
    add_up();
    communicator_.all_gather(sums_, received_.slice(0, 0, 1).slice(1, 0, 1).reshape({slice_}));
    receive_sums(nodes[0], begin);
  }
}

void TreeSum::send_slices(const std::vector<Tensor>& nodes, int64_t begin) {
  for (int rank = 0; rank < communicator_.size(); ++rank) {
    const auto [from, to] = slice_of_rank(rank, begin);
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      const int64_t at = (rank * sent_.size(1) + static_cast<int64_t>(i)) * slice_;
      sent_.reshape({-1}).slice(0, at, at + to - from).copy_from(nodes[i].slice(0, from, to));
    }
  }
}

void TreeSum::add_up() {
  const auto at = [&](std::size_t place) {
    const auto begin = static_cast<int64_t>(places_[place]) * slice_;
    return received_.reshape({-1}).slice(0, begin, begin + slice_);
  };
  for (const auto& [into, from] : additions_) add_into(at(into), at(from));
}

void TreeSum::receive_sums(const Tensor& out, int64_t begin) {
  for (int rank = 0; rank < communicator_.size(); ++rank) {
    const auto [from, to] = slice_of_rank(rank, begin);
    out.slice(0, from, to)
        .copy_from(sums_.reshape({-1}).slice(0, rank * slice_, rank * slice_ + to - from));
  }
}

std::pair<int64_t, int64_t> TreeSum::slice_of_rank(int rank, int64_t begin) const {
  const int64_t from = std::min(begin + rank * slice_, elements_);
  return {from, std::min(from + slice_, elements_)};
}

}  // namespace ripieno::distributed
