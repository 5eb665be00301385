// Dropout of a range of elements, for kernels that fuse it.
#pragma once

#include "ripieno/kernels/cpu/support/random_blocks.h"
#include "ripieno/kernels/dropout.h"
#include "ripieno/kernels/element_types.h"

namespace ripieno::kernels::cpu {

// Calls body(i, dropout(in[i])) for i in [begin, end).
template <typename T, typename Body>
void for_each_dropped(const DropoutMask& mask, const T* in, int64_t begin, int64_t end,
                      const Body& body) {
  using A = accumulator_t<T>;
  const A scale = static_cast<A>(1.0 / (1.0 - mask.probability));
  const float threshold = static_cast<float>(mask.probability);
  for_each_word(*mask.key, mask.offset, begin, end, [&](int64_t i, uint32_t word) {
    body(i, to_uniform(word) > threshold ? T(A(in[i]) * scale) : T(A(0)));
  });
}

}  // namespace ripieno::kernels::cpu
