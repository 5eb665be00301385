// Part: which one of the ranks that share each batch this is, for the loaders.
#pragma once

#include <cstdint>

namespace ripieno::io {

struct Part {
  int rank = 0;
  int size = 1;
  // 0: rows are shared out one by one. Else each batch is cut into so many slots, whatever the
  // number of ranks, and a slot goes to one rank whole.
  int slots = 0;
};

// Rows begin .. end - 1 of a batch.
struct Rows {
  int64_t begin = 0;
  int64_t end = 0;

  int64_t count() const { return end - begin; }
};

// Piece `piece` of `pieces` contiguous ones, which cover all rows in order and whose sizes differ
// by one at most.
constexpr Rows piece_of(int64_t piece, int64_t pieces, int64_t rows) {
  const int64_t least = rows / pieces;
  const int64_t larger = rows % pieces;  // the first so many pieces have one row more
  const auto begin_of = [&](int64_t p) { return p * least + (p < larger ? p : larger); };
  return {begin_of(piece), begin_of(piece + 1)};
}

// The rows that are `part`'s: the parts cover all rows in rank order, as evenly as rows, or slots,
// can be shared out.
constexpr Rows rows_of(Part part, int64_t rows) {
  if (part.slots == 0) return piece_of(part.rank, part.size, rows);
  const Rows slots = piece_of(part.rank, part.size, part.slots);
  if (slots.count() == 0) return {rows, rows};
  return {piece_of(slots.begin, part.slots, rows).begin,
          piece_of(slots.end - 1, part.slots, rows).end};
}

}  // namespace ripieno::io
