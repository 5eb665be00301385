// Philox4x32-10: random numbers as a pure function of a key and a counter, the same on every
// device.
//
// J. Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
#pragma once

#include <cstdint>

namespace ripieno::kernels {

struct RandomBlock {
  uint32_t word[4];
};

// What a stream of random numbers is keyed by; element i of it is a function of (key, i) alone.
struct RandomKey {
  uint64_t seed = 0;    // of the run
  uint64_t stream = 0;  // of the module: a hash of its path
  uint64_t step = 0;    // of training
};

// The four words of block `counter`: elements 4 * counter .. 4 * counter + 3 of the stream.
constexpr RandomBlock philox(const RandomKey& key, uint64_t counter) {
  // The step and the block count in the 128-bit counter; seed and stream are mixed into the 64-bit
  // key.
  const uint64_t mixed = key.seed * 0x9e3779b97f4a7c15u ^ key.stream;
  uint32_t c0 = static_cast<uint32_t>(counter), c1 = static_cast<uint32_t>(counter >> 32);
  uint32_t c2 = static_cast<uint32_t>(key.step), c3 = static_cast<uint32_t>(key.step >> 32);
  uint32_t k0 = static_cast<uint32_t>(mixed), k1 = static_cast<uint32_t>(mixed >> 32);
  for (int round = 0; round < 10; ++round) {
    const uint64_t p0 = uint64_t{0xd2511f53u} * c0;
    const uint64_t p1 = uint64_t{0xcd9e8d57u} * c2;
    const uint32_t n0 = static_cast<uint32_t>(p1 >> 32) ^ c1 ^ k0;
    const uint32_t n2 = static_cast<uint32_t>(p0 >> 32) ^ c3 ^ k1;
    c1 = static_cast<uint32_t>(p1);
    c3 = static_cast<uint32_t>(p0);
    c0 = n0;
    c2 = n2;
    k0 += 0x9e3779b9u;
    k1 += 0xbb67ae85u;
  }
  return {{c0, c1, c2, c3}};
}

// Uniform in (0, 1]: never 0, so that a logarithm of it is finite.
constexpr float to_uniform(uint32_t word) { return static_cast<float>((word >> 8) + 1) * 0x1p-24f; }

}  // namespace ripieno::kernels
