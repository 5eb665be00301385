// Part: which rows of every global batch a rank loads. Passed to every data loader.
#pragma once

#include <cstdint>

namespace ripieno::io {

struct Part {
  int rank = 0;
  int size = 1;  // number of ranks that share the batch
  // Strict mode: number of slots that a batch is cut into, independent of the number of ranks; each
  // slot is assigned whole to one rank. 0: rows are split between ranks without regard to slots.
  int slots = 0;
};

// Rows begin .. end - 1 of a batch.
struct Rows {
  int64_t begin = 0;
  int64_t end = 0;

  int64_t count() const { return end - begin; }
};

// Range `piece` of `pieces` contiguous ranges that cover all `rows` in order; their sizes differ by
// at most one, the larger ones first.
constexpr Rows piece_of(int64_t piece, int64_t pieces, int64_t rows) {
  const int64_t least = rows / pieces;
  const int64_t larger = rows % pieces;  // number of leading ranges that have one row more
  const auto begin_of = [&](int64_t p) { return p * least + (p < larger ? p : larger); };
  return {begin_of(piece), begin_of(piece + 1)};
}

// The rows of a batch that belong to `part`: the parts cover all rows in rank order, split as
// evenly as possible in rows or, if part.slots > 0, in slots. A part is empty if there is nothing
// left for its rank.
constexpr Rows rows_of(Part part, int64_t rows) {
  if (part.slots == 0) return piece_of(part.rank, part.size, rows);
  const Rows slots = piece_of(part.rank, part.size, part.slots);
  if (slots.count() == 0) return {rows, rows};
  return {piece_of(slots.begin, part.slots, rows).begin,
          piece_of(slots.end - 1, part.slots, rows).end};
}

}  // namespace ripieno::io
