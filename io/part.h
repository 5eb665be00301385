// Part: which one of the ranks that share each batch this is, for the loaders.
#pragma once

#include <cstdint>

namespace ripieno::io {

struct Part {
  int rank = 0;
  int size = 1;
};

// Rows begin .. end - 1 of a batch.
struct Rows {
  int64_t begin = 0;
  int64_t end = 0;

  int64_t count() const { return end - begin; }
};

// The contiguous rows that are `part`'s: the parts cover all rows in rank order, and their sizes
// differ by one at most.
constexpr Rows rows_of(Part part, int64_t rows) {
  const int64_t least = rows / part.size;
  const int64_t larger = rows % part.size;  // the first so many parts have one row more
  const auto begin_of = [&](int64_t rank) {
    return rank * least + (rank < larger ? rank : larger);
  };
  return {begin_of(part.rank), begin_of(part.rank + 1)};
}

}  // namespace ripieno::io
