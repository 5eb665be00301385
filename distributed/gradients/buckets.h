// Buckets: ranges of the gradient arena, each reduced by one collective while backward computes the
// others.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "ripieno/core/arena/parameters.h"

namespace ripieno::distributed {

struct Bucket {
  int64_t begin = 0, end = 0;                    // elements of the arena
  std::size_t first_entry = 0, entries_end = 0;  // entries of the layout

  bool operator==(const Bucket&) const = default;
};

// Cuts the arena into buckets from its end, the order in which backward completes gradients. A
// bucket holds whole tensors, of at least `bytes` in total except for the last. Together the
// buckets cover the arena exactly once. A pure function, so the result is the same on every rank.
std::vector<Bucket> buckets_of(const ArenaLayout& layout, std::size_t bytes_of_element,
                               std::size_t bytes);

// Sets trains[i] to whether parameter i requires a gradient. Returns whether any entry has changed.
// trains: (parameters).
bool update_trainable(std::vector<bool>& trains, const Parameters& parameters);

// The trainable ranges of a bucket: each covers consecutive entries i with trains[i], in order. If
// all entries are trainable, the bucket itself.
std::vector<Bucket> runs_of(const Bucket& bucket, const ArenaLayout& layout,
                            const std::vector<bool>& trains);

// Names of its first and last parameter, as in "blocks.0.up.weight to blocks.1.norm1.bias".
std::string name_of(const Bucket& bucket, const ArenaLayout& layout);

}  // namespace ripieno::distributed
