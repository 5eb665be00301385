// BucketSize: how many bytes of gradients one collective sums, chosen for the link between ranks.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "ripieno/core/arena/arena.h"
#include "ripieno/distributed/communicators/communicator.h"

namespace ripieno::distributed {

struct BucketSize {
  std::size_t bytes = 0;
  // Bandwidth per rank and direction of an all-reduce, counted as for a ring; 0: not measured.
  double link_bytes_per_s = 0;
  std::string how;  // how it was chosen: a short phrase for run.json
};

// The bucket size for a link: 25 MiB on fast links, where latency dominates; on links below
// 10 Gbit/s what takes 50 ms, from 1 to 4 MiB, since the last bucket does not overlap with
// computation. At most an eighth of the gradients, but at least 1 MiB.
std::size_t bucket_bytes_for(double link_bytes_per_s, std::size_t gradient_bytes);

// The bucket size for the link between `ranks`, measured with a few all-reduces of tensors on
// `device`; they grow until they take 20 ms or reach 4 MiB. The result is the same on every rank. A
// collective.
BucketSize measured_bucket_size(Communicator& ranks, std::size_t gradient_bytes, Device device);

// `bytes` if given; else all gradients on one rank, and measured_bucket_size() on several. A
// collective unless `bytes` is given.
BucketSize bucket_size_of(Communicator& ranks, std::optional<std::size_t> bytes,
                          const Arena& gradients);

}  // namespace ripieno::distributed
