// Iterates over a stream of random words in blocks of four, from any element.
#pragma once

#include <algorithm>
#include <cstdint>

#include "ripieno/kernels/philox.h"

namespace ripieno::kernels::cpu {

// Calls body(i, word) for i in [begin, end), where word is element offset + i of the stream.
template <typename Body>
void for_each_word(const RandomKey& key, int64_t offset, int64_t begin, int64_t end,
                   const Body& body) {
  int64_t i = begin;
  while (i < end) {
    const uint64_t element = static_cast<uint64_t>(offset + i);
    const RandomBlock block = philox(key, element / 4);
    const int64_t first = static_cast<int64_t>(element % 4);
    const int64_t last = std::min<int64_t>(4, first + end - i);
    for (int64_t word = first; word < last; ++word) body(i++, block.word[word]);
  }
}

}  // namespace ripieno::kernels::cpu
