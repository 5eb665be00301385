// Buckets: ranges of the gradient arena that are reduced at once, while backward still makes the
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

// Cuts the arena from its end, as backward completes it: each bucket takes whole tensors until it
// has `bytes`. The same on every rank; together the buckets cover the arena once.
std::vector<Bucket> buckets_of(const ArenaLayout& layout, std::size_t bytes_of_element,
                               std::size_t bytes);

// Records in `trains`, (parameters), which parameters train. Returns whether that has changed.
bool update_trainable(std::vector<bool>& trains, const Parameters& parameters);

// The parts of a bucket that train, where trains[i] says it of entry i: each a run of neighbouring
// entries, in order. One run, the bucket, where all of them do.
std::vector<Bucket> runs_of(const Bucket& bucket, const ArenaLayout& layout,
                            const std::vector<bool>& trains);

// Its parameters, the first and the last: "blocks.0.up.weight to blocks.1.norm1.bias".
std::string name_of(const Bucket& bucket, const ArenaLayout& layout);

}  // namespace ripieno::distributed
