// Dropout of a vector, for kernels that fuse it. Private to kernels/cuda.
#pragma once

#include "ripieno/kernels/cuda/device/device.cuh"
#include "ripieno/kernels/dropout.h"

namespace ripieno::kernels::cuda {

// A DropoutMask in the form that kernels take as an argument.
template <typename T>
struct Dropping {
  float probability;
  accumulator_t<T> scale;
  const RandomKey* key;
  int64_t offset;

  explicit Dropping(const DropoutMask& mask)
      : probability(static_cast<float>(mask.probability)),
        scale(static_cast<accumulator_t<T>>(1.0 / (1.0 - mask.probability))),
        key(mask.key),
        offset(mask.offset) {}

  // Whether vectors of `width` elements begin at a block of random words, or at its second half.
  bool fits(int width) const { return offset % std::min(width, 4) == 0; }
};

// block.word[index] for an index that is not a compile-time constant, without going through memory.
__device__ inline uint32_t word_of(const RandomBlock& block, unsigned index) {
  const uint32_t even = index < 2 ? block.word[0] : block.word[2];
  const uint32_t odd = index < 2 ? block.word[1] : block.word[3];
  return index % 2 == 0 ? even : odd;
}

// Dropout of elements first, first + 1, ... of the tensor. `first` must be a multiple of width, and
// dropping.fits(width) true.
template <int width, typename T>
__device__ Vector<T, width> dropped(const Dropping<T>& dropping, int64_t first,
                                    const Vector<T, width>& in) {
  const auto element = static_cast<uint64_t>(dropping.offset + first);
  constexpr int kBlocks = width < 4 ? 1 : width / 4, kOfBlock = width / kBlocks;
  Vector<T, width> result;
  unrolled<kBlocks>([&](int b) {
    const RandomBlock block = philox(*dropping.key, element / 4 + static_cast<uint64_t>(b));
    unrolled<kOfBlock>([&](int k) {
      const unsigned index = kOfBlock == 4 ? k : static_cast<unsigned>(element % 4) + k;
      const bool kept = to_uniform(word_of(block, index)) > dropping.probability;
      const int i = b * kOfBlock + k;
      result[i] = kept ? narrow<T>(widen(in[i]) * dropping.scale) : T{};
    });
  });
  return result;
}

}  // namespace ripieno::kernels::cuda
