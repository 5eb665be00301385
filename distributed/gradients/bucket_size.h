// BucketSize: how many bytes of gradients travel at once, as suits the link between the ranks.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "ripieno/core/arena/arena.h"
#include "ripieno/distributed/communicators/communicator.h"

namespace ripieno::distributed {

struct BucketSize {
  std::size_t bytes = 0;
  // What an all-reduce moved to and from each rank, as a ring would; 0: not measured.
  double link_bytes_per_s = 0;
  std::string how;  // in a few words
};

// Large buckets where latency is all that counts, small ones where the last, which nothing hides,
// takes long: 25 MiB; 1 to 4 MiB below 10 Gbit/s; and eight of them at least, of 1 MiB or more.
std::size_t bucket_bytes_for(double link_bytes_per_s, std::size_t gradient_bytes);

// Measures the link with a few all-reduces, of at most 4 MiB, and of about 20 ms, of memory where
// the gradients are. The same on every rank. A collective.
BucketSize measured_bucket_size(Communicator& ranks, std::size_t gradient_bytes, Device device);

// `bytes` where there is a number; else what suits the ranks and these gradients, measured where
// there are several ranks. A collective.
BucketSize bucket_size_of(Communicator& ranks, std::optional<std::size_t> bytes,
                          const Arena& gradients);

}  // namespace ripieno::distributed
